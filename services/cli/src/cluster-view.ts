/**
 * How the cluster looks from outside: the live nodes out of NATS KV, the telemetry on its way, the newest sample in
 * ClickHouse. What is away is part of the answer, not an error. Before it: a configuration; after it: status and nodes.
 */
import { JetStreamApiError, jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Config } from '@weir/contracts/config/schema';
import { errorMessage } from '@weir/contracts/errors';
import { createLogger } from '@weir/contracts/logger';
import { connectNats } from '@weir/contracts/nats/connect';
import type { ExternalLink } from '@weir/contracts/nats/control';
import { BUCKET, DEAD_LETTER_STREAM, TELEMETRY_STREAM } from '@weir/contracts/nats/names';
import type { AgentRecord, NodeRecord } from '@weir/contracts/nats/records';
import { TABLE } from '@weir/contracts/tables';
import { openDatabase } from './clickhouse.ts';
import { askAll } from './node-control.ts';
import { type NodeLoad, recentLoad } from './node-load.ts';
import { type StreamPath, streamPaths } from './stream-paths.ts';

/** Something that answered, or why it did not. */
export type Seen<T> = ({ reachable: true } & T) | { reachable: false; reason: string };

/** NATS as seen now. */
export type NatsView = Seen<{
  server: string;
  version: string;
  nodes: NodeRecord[];
  agents: AgentRecord[];
  /** Streams to and from servers that are no members, by node. */
  externals: (ExternalLink & { node: string })[];
  /** The way of each stream, with its viewers. */
  streams: StreamPath[];
  /** Undefined while no node or ingest has made the stream. */
  telemetry: { messages: number; sizeBytes: number; unread: number } | undefined;
  deadLetters: number;
}>;

/** ClickHouse as seen now. */
export type DatabaseView = Seen<{
  url: string;
  version: string;
  /** Seconds since the newest sample; undefined when there is none. */
  newestSampleSecondsAgo: number | undefined;
  load: NodeLoad[];
}>;

const NATS_TIMEOUT_MS = 2_000;
/** JetStream's error code. */
const STREAM_NOT_FOUND = 10_059;

/** The live nodes and the telemetry stream. */
export async function viewNats(config: Config['nats']): Promise<NatsView> {
  const handle = connectNats(config, 'weir-status', createLogger('status', 'silent'));
  try {
    const connection = await handle.ready(NATS_TIMEOUT_MS);
    const jsm = await jetstreamManager(connection, { timeout: NATS_TIMEOUT_MS });
    const [nodes, agents, telemetry, deadLetters] = await Promise.all([
      liveNodes(connection),
      recordsOf<AgentRecord>(connection, BUCKET.agents),
      orUndefined(async () => {
        const { state } = await jsm.streams.info(TELEMETRY_STREAM);
        let unread = 0;
        for await (const consumer of jsm.consumers.list(TELEMETRY_STREAM))
          unread += consumer.num_pending + consumer.num_ack_pending;
        return { messages: state.messages, sizeBytes: state.bytes, unread };
      }),
      orUndefined(async () => (await jsm.streams.info(DEAD_LETTER_STREAM)).state.messages),
    ]);
    const [answers, ofStreams] = await Promise.all([
      askAll(connection, { command: 'externals' }, nodes.length),
      askAll(connection, { command: 'streams' }, nodes.length),
    ]);
    return {
      reachable: true,
      server: connection.getServer(),
      version: connection.info?.version ?? '',
      nodes,
      agents,
      externals: answers.flatMap((answer) =>
        answer.ok ? (answer.externals ?? []).map((link) => ({ node: answer.node, ...link })) : [],
      ),
      streams: streamPaths(ofStreams),
      telemetry,
      deadLetters: deadLetters ?? 0,
    };
  } catch (error) {
    return { reachable: false, reason: errorMessage(error) };
  } finally {
    await handle.close();
  }
}

/** The newest sample and the nodes' newest load. */
export async function viewDatabase(config: Config['clickhouse']): Promise<DatabaseView> {
  const database = openDatabase(config, 'reader');
  try {
    const [rows, load] = await Promise.all([
      database.rows<{ version: string; age: number | null }>(
        `SELECT version() AS version, (SELECT if(count() = 0, NULL, dateDiff('second', max(time), now())) FROM ${TABLE.metricSamples}) AS age`,
      ),
      recentLoad(database),
    ]);
    const age = rows[0]?.age ?? undefined;
    return {
      reachable: true,
      url: config.url,
      version: rows[0]?.version ?? '',
      newestSampleSecondsAgo: age === undefined ? undefined : Number(age),
      load,
    };
  } catch (error) {
    return { reachable: false, reason: errorMessage(error) };
  } finally {
    await database.close();
  }
}

/** The records of all nodes that live now, origins first, by name. */
export async function liveNodes(connection: NatsConnection): Promise<NodeRecord[]> {
  const nodes = await recordsOf<NodeRecord>(connection, BUCKET.nodes);
  return nodes.toSorted(
    (a, b) => b.role.localeCompare(a.role) || a.node.localeCompare(b.node, 'en', { numeric: true }),
  );
}

/** All records of a bucket, in no order; none when nobody has made it. */
async function recordsOf<R>(connection: NatsConnection, name: string): Promise<R[]> {
  const records = await orUndefined(async () => {
    const bucket = await new Kvm(connection).open(name, { bindOnly: true });
    const entries = await Promise.all((await keysOf(connection, name)).map((key) => bucket.get(key)));
    // A lease may have ended between the two questions; of a node that left, the last word is that its record is deleted.
    return entries
      .filter((entry) => entry !== null)
      .filter(({ operation }) => operation === 'PUT')
      .map((entry) => entry.json<R>());
  });
  return records ?? [];
}

/**
 * The keys of a bucket by one question to its stream. `bucket.keys()` reads them one by one and counts what is to come: it
 * waits for ever when a record is replaced or its lease ends meanwhile, as heartbeats are and do all the time.
 */
async function keysOf(connection: NatsConnection, bucket: string): Promise<string[]> {
  const jsm = await jetstreamManager(connection, { timeout: NATS_TIMEOUT_MS });
  const prefix = `$KV.${bucket}.`;
  const { state } = await jsm.streams.info(`KV_${bucket}`, { subjects_filter: `${prefix}>` });
  return Object.keys(state.subjects ?? {}).map((subject) => subject.slice(prefix.length));
}

/** What nobody has made yet is not there, and that is no error. */
async function orUndefined<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND) return undefined;
    throw error;
  }
}
