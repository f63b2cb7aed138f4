/**
 * The long-lived parts that run in a process of their own, each from a whole configuration: the one place that knows how
 * each is started. Before it: a command or a supervisor's child; after it: the part's main.ts, loaded when asked for.
 */
import type { Config } from '@weir/contracts/config/schema';
import { ConfigError } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import type { PlayerFile } from '@weir/player/bundle';
import type { RunningPart } from './run-service.ts';

/** How to start one part. */
export type StartPart = (config: Readonly<Config>, logger: Logger) => Promise<RunningPart>;

/** All parts by name. */
export const PARTS = {
  edge: startEdge,
  agent: startAgentPart,
  ingest: startIngestPart,
  store: startStorePart,
} as const;

/** Name of a part. */
export type PartName = keyof typeof PARTS;

/** `readConfig` reads the configuration again, for a reload; a part that cannot reload does not ask for it. */
async function startEdge(
  config: Readonly<Config>,
  logger: Logger,
  readConfig?: () => Readonly<Config>,
): Promise<RunningPart> {
  const { startNode } = await import('@weir/edge/main');
  const node = await startNode({ config, logger, player: () => loadPlayer(config), readConfig });
  const { rtmp, relay, http } = node.addresses;
  const urls = { rtmp: `rtmp://${rtmp}`, relay, http: `http://${http}`, ...node.urls };
  return { urls, ended: node.ended, close: () => node.close() };
}

/** The player is built when the first viewer asks for it: a node without viewers in browsers never does. */
async function loadPlayer({ player }: Readonly<Config>): Promise<ReadonlyMap<string, PlayerFile>> {
  const { buildPlayer } = await import('@weir/player/bundle');
  const { faroUrl: url, faroKey: apiKey, samplePercent } = player;
  return buildPlayer({ measure: url === '' ? null : { url, apiKey, samplingRate: samplePercent / 100 } });
}

async function startAgentPart(config: Readonly<Config>, logger: Logger): Promise<RunningPart> {
  const { startAgent } = await import('@weir/telemetry/main');
  const agent = await startAgent(config, logger);
  await agent.ready;
  return { urls: {}, ended: agent.ended, close: () => agent.close() };
}

async function startIngestPart(config: Readonly<Config>, logger: Logger): Promise<RunningPart> {
  const { startIngest } = await import('@weir/ingest/main');
  const ingest = await startIngest({ config, logger });
  return { urls: { ingest: ingest.url }, close: () => ingest.close() };
}

async function startStorePart(config: Readonly<Config>, logger: Logger): Promise<RunningPart> {
  const { user, password, readUser, readPassword } = config.clickhouse;
  if (password === '' || readPassword === '') {
    const missing = password === '' ? 'password' : 'readPassword';
    throw new ConfigError(
      'STORE_NO_PASSWORD',
      `The store needs clickhouse.${missing}: set it in the file, in the environment or as a flag.`,
    );
  }
  const { startStore } = await import('@weir/store/main');
  const store = await startStore({
    config: config.store,
    users: { writer: { name: user, password }, reader: { name: readUser, password: readPassword } },
    logger,
  });
  return { urls: { ClickHouse: store.url }, close: () => store.close() };
}
