/**
 * Starts the Grafana found on this machine, or one in Docker, with our data source, dashboards and alert rules, in a folder
 * and on a port of its own: an existing Grafana of the machine is not touched. Called by `weir up`.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { WeirError } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import { PLUGIN_TYPE, PLUGIN_VERSION } from '../build/query.ts';
import { generateFiles } from '../files.ts';
import { writeFiles } from '../generate.ts';
import { type FoundGrafana, findGrafana, hasDocker } from './find.ts';
import { GRAFANA_ENVIRONMENT } from './provision.ts';

/** What Grafana is started with. */
export interface GrafanaOptions {
  /** `found`: the machine's own; `docker`: an image. */
  readonly how: 'found' | 'docker';
  readonly host: string;
  readonly port: number;
  /** Folder of its database, plugins and our files. */
  readonly dataDir: string;
  readonly clickhouse: {
    readonly url: string;
    readonly database: string;
    readonly user: string;
    readonly password: string;
  };
  /** Where alerts are sent; empty = an address that takes nothing. */
  readonly webhookUrl: string;
  /** May it fetch the ClickHouse plugin when that is missing? */
  readonly mayInstallPlugin: boolean;
  /** Anybody may look without a login (one machine, loopback). */
  readonly anonymous: boolean;
  readonly environment: NodeJS.ProcessEnv;
  readonly logger: Logger;
  /** Time to wait until it answers. */
  readonly readyTimeoutMs?: number;
  /** Ends a start that is under way. */
  readonly signal?: AbortSignal;
}

/** A running Grafana. */
export interface RunningGrafana {
  readonly url: string;
  readonly pid: number;
  /** Ends it and waits until it is gone. */
  close(): Promise<void>;
}

/** How to get one, for the sentence `weir up` prints when there is none. */
export const HOW_TO_GET_GRAFANA =
  'No Grafana found: install it from https://grafana.com/grafana/download (11.6 or newer), or point GRAFANA_HOME at one, ' +
  'or use --grafana docker; weir dashboards export writes the same dashboards for a Grafana elsewhere.';

const IMAGE = 'grafana/grafana-oss:13.2.0';
/** Longest a stopped Grafana may take before it is killed. */
const STOP_MS = 4_000;

/**
 * Starts it and resolves when it answers.
 * @throws WeirError `GRAFANA_MISSING`, `GRAFANA_PLUGIN_MISSING`, `GRAFANA_START`: each says how to mend it.
 */
export async function startGrafana(options: GrafanaOptions): Promise<RunningGrafana> {
  const folder = isAbsolute(options.dataDir) ? options.dataDir : resolve(options.dataDir);
  writeFiles(folder, generateFiles());
  for (const name of ['plugins', 'data', 'logs']) mkdirSync(join(folder, name), { recursive: true });
  const child = options.how === 'docker' ? startDocker(options, folder) : await startFound(options, folder);
  const url = `http://${options.host}:${options.port}`;
  const abort = (): boolean => child.kill('SIGKILL');
  options.signal?.addEventListener('abort', abort, { once: true });
  if (options.signal?.aborted) abort();
  try {
    await waitUntilReady(url, child, options.readyTimeoutMs ?? 60_000);
  } catch (error) {
    await stop(child);
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', abort);
  }
  options.logger.info({ url, pid: child.pid }, 'grafana ready');
  return { url, pid: child.pid ?? 0, close: () => stop(child) };
}

async function startFound(options: GrafanaOptions, folder: string): Promise<ChildProcess> {
  const found = findGrafana(options.environment);
  if (!found) throw new WeirError('GRAFANA_MISSING', HOW_TO_GET_GRAFANA);
  await ensurePlugin(found, options, folder);
  const settings = grafanaSettings(options, {
    provisioning: join(folder, 'provisioning'),
    dashboards: join(folder, 'dashboards'),
    plugins: join(folder, 'plugins'),
  });
  const args = [...found.args, '--homepath', found.home];
  const env = {
    ...options.environment,
    ...settings,
    GF_PATHS_DATA: join(folder, 'data'),
    GF_PATHS_LOGS: join(folder, 'logs'),
  };
  return spawn(found.command, args, { env, stdio: 'ignore' });
}

function startDocker(options: GrafanaOptions, folder: string): ChildProcess {
  if (!hasDocker(options.environment)) {
    throw new WeirError(
      'GRAFANA_MISSING',
      'There is no docker on the PATH: install it, or start weir without --grafana docker.',
    );
  }
  const settings = {
    ...grafanaSettings(options, {
      provisioning: '/etc/weir/provisioning',
      dashboards: '/etc/weir/dashboards',
      plugins: '/var/lib/grafana/plugins',
    }),
    GF_PLUGINS_PREINSTALL_SYNC: `${PLUGIN_TYPE}@${PLUGIN_VERSION}`,
  };
  // Values stay out of the command line: docker takes them from its environment by name.
  const names = Object.keys(settings).flatMap((name) => ['-e', name]);
  const args = ['run', '--rm', '--network', 'host', ...names, '-v', `${folder}:/etc/weir:ro`, IMAGE];
  return spawn('docker', args, { env: { ...options.environment, ...settings }, stdio: 'ignore' });
}

/** Everything Grafana reads from its environment. */
function grafanaSettings(
  options: GrafanaOptions,
  paths: { provisioning: string; dashboards: string; plugins: string },
): Record<string, string> {
  const { hostname, port, protocol } = new URL(options.clickhouse.url);
  const secure = protocol === 'https:';
  return {
    GF_SERVER_HTTP_ADDR: options.host,
    GF_SERVER_HTTP_PORT: String(options.port),
    GF_PATHS_PROVISIONING: paths.provisioning,
    GF_PATHS_PLUGINS: paths.plugins,
    GF_AUTH_ANONYMOUS_ENABLED: String(options.anonymous),
    GF_AUTH_ANONYMOUS_ORG_ROLE: 'Viewer',
    GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH: `${paths.dashboards}/weir-cluster.json`,
    GF_DASHBOARDS_MIN_REFRESH_INTERVAL: '5s',
    GF_ANALYTICS_REPORTING_ENABLED: 'false',
    GF_ANALYTICS_CHECK_FOR_UPDATES: 'false',
    GF_NEWS_NEWS_FEED_ENABLED: 'false',
    [GRAFANA_ENVIRONMENT.host]: hostname,
    [GRAFANA_ENVIRONMENT.port]: port || (secure ? '8443' : '8123'),
    [GRAFANA_ENVIRONMENT.secure]: String(secure),
    [GRAFANA_ENVIRONMENT.database]: options.clickhouse.database,
    [GRAFANA_ENVIRONMENT.user]: options.clickhouse.user,
    [GRAFANA_ENVIRONMENT.password]: options.clickhouse.password,
    [GRAFANA_ENVIRONMENT.dashboards]: paths.dashboards,
    [GRAFANA_ENVIRONMENT.webhook]: options.webhookUrl || 'http://127.0.0.1:9/',
  };
}

async function ensurePlugin(found: FoundGrafana, options: GrafanaOptions, folder: string): Promise<void> {
  const plugins = join(folder, 'plugins');
  if (existsSync(join(plugins, PLUGIN_TYPE))) return;
  const sentence = `Grafana lacks the ClickHouse plugin: run "grafana cli --pluginsDir ${plugins} plugins install ${PLUGIN_TYPE} ${PLUGIN_VERSION}" where there is a network.`;
  if (!options.mayInstallPlugin || found.args.length === 0) throw new WeirError('GRAFANA_PLUGIN_MISSING', sentence);
  const args = [
    'cli',
    '--homepath',
    found.home,
    '--pluginsDir',
    plugins,
    'plugins',
    'install',
    PLUGIN_TYPE,
    PLUGIN_VERSION,
  ];
  try {
    await promisify(execFile)(found.command, args, {
      env: options.environment,
      timeout: 120_000,
      ...(options.signal ? { signal: options.signal } : {}),
    });
  } catch (error) {
    throw new WeirError('GRAFANA_PLUGIN_MISSING', sentence, { cause: error });
  }
}

async function waitUntilReady(url: string, child: ChildProcess, timeoutMs: number): Promise<void> {
  const failed = once(child, 'error').then(([error]) => error as Error);
  const startedAt = performance.now();
  while (performance.now() - startedAt < timeoutMs) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new WeirError(
        'GRAFANA_START',
        `Grafana ended with status ${child.exitCode ?? child.signalCode}: read its log in the folder logs, or check that the port of ${url} is free.`,
      );
    }
    const answer = await Promise.race([fetch(`${url}/api/health`).catch(() => undefined), failed]);
    if (answer instanceof Error)
      throw new WeirError('GRAFANA_START', `Grafana could not be started: ${answer.message}.`, { cause: answer });
    if (answer?.ok) return;
    await delay(200, undefined, { ref: false });
  }
  throw new WeirError(
    'GRAFANA_START',
    `Grafana did not answer at ${url} within ${Math.round(timeoutMs / 1_000)} s: read its log in the folder logs.`,
  );
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const killer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  killer.unref();
  await gone;
  clearTimeout(killer);
}
