/**
 * The nats-server of a one-machine system: its configuration, how it is started so that it does not outlive us, and how
 * we know that JetStream is ready. Before it: the plan; after it: a child of the supervisor.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findProgram, thisMachine } from '../ensure/ensure.ts';
import { isAlive } from '../run-state.ts';
import type { ChildSpec } from './child.ts';
import type { NatsPlan } from './plan.ts';

const MAX_PAYLOAD_BYTES = 8 * 1024 * 1024;
const PROBE_TIMEOUT_MS = 1_000;
const LEFTOVER_POLL_MS = 20;
const LEFTOVER_TIMEOUT_MS = 5_000;

/** How to run the nats-server of `plan` out of `dataDir`; writes its configuration. */
export function natsChild(plan: NatsPlan, program: string, dataDir: string): ChildSpec {
  const path = configPath(dataDir);
  writeFileSync(path, natsConfig(plan, dataDir), { mode: 0o600 });
  // It knows nothing of us: the kernel ends it when we die, however we die. Where there is no setpriv, the next start does.
  const { searchPath } = thisMachine();
  const setpriv = process.platform === 'linux' ? findProgram('setpriv', searchPath) : undefined;
  const command = [program, '-c', path];
  const [first = program, ...args] = setpriv === undefined ? command : [setpriv, '--pdeathsig', 'TERM', ...command];
  return {
    name: 'nats',
    program: first,
    args,
    env: process.env,
    logPath: join(dataDir, 'logs', 'nats.log'),
    ready: () => isHealthy(plan),
  };
}

/** Ends a nats-server that a supervisor killed outright has left behind in `dataDir`. */
export async function endLeftoverNats(dataDir: string): Promise<void> {
  const pid = leftoverPid(dataDir);
  if (pid === undefined) return;
  process.kill(pid, 'SIGTERM');
  const deadline = Date.now() + LEFTOVER_TIMEOUT_MS;
  while (isAlive(pid) && Date.now() < deadline) await delay(LEFTOVER_POLL_MS);
  if (isAlive(pid)) process.kill(pid, 'SIGKILL');
}

function leftoverPid(dataDir: string): number | undefined {
  try {
    const pid = Number(readFileSync(pidPath(dataDir), 'utf8'));
    // Process ids are used again: only one that runs on this very configuration is ours.
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`\0${configPath(dataDir)}\0`) ? pid : undefined;
  } catch {
    return undefined;
  }
}

function natsConfig(plan: NatsPlan, dataDir: string): string {
  const quoted = (text: string) => JSON.stringify(text);
  return [
    `# Written by weir up at each start.`,
    `listen: ${quoted(`${plan.host}:${plan.port}`)}`,
    `http: ${quoted(`${plan.host}:${plan.monitorPort}`)}`,
    `server_name: ${quoted(`weir-${plan.port}`)}`,
    `pid_file: ${quoted(pidPath(dataDir))}`,
    `max_payload: ${MAX_PAYLOAD_BYTES}`,
    `jetstream { store_dir: ${quoted(join(dataDir, 'nats'))} }`,
    `authorization { user: ${quoted(plan.user)}, password: ${quoted(plan.password)} }`,
    '',
  ].join('\n');
}

/** nats-server's own health check answers well once JetStream has recovered its data. */
async function isHealthy(plan: NatsPlan): Promise<boolean> {
  try {
    const url = `http://${plan.host}:${plan.monitorPort}/healthz`;
    return (await fetch(url, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) })).ok;
  } catch {
    return false;
  }
}

function configPath(dataDir: string): string {
  return join(dataDir, 'run', 'nats.conf');
}

function pidPath(dataDir: string): string {
  return join(dataDir, 'run', 'nats.pid');
}
