/**
 * An agent's hold on its name (M9), as nodes have it: a record in the bucket of agents, kept by a heartbeat. A node of the
 * same name goes before it. Who is refused tells the holder, which shows it for some minutes. Before it: the agent; after
 * it: `weir nodes`, and the gate before its publisher.
 */
import { hostname } from 'node:os';
import type { Subscription } from '@nats-io/transport-node';
import type { Config } from '@weir/contracts/config/schema';
import { errorMessage } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import { Bucket } from '@weir/contracts/nats/bucket';
import type { NatsHandle } from '@weir/contracts/nats/connect';
import { startHeartbeat } from '@weir/contracts/nats/heartbeat';
import { BUCKET, CLUSTER_SUBJECT, NODE_LEASE_MS } from '@weir/contracts/nats/names';
import type { AgentRecord, NodeRecord, RivalRecord } from '@weir/contracts/nats/records';
import manifest from '../package.json' with { type: 'json' };

/** Who has a name. */
export type NameHolder = AgentRecord | NodeRecord;

/** What {@link holdAgentName} is handed. */
export interface AgentNameOptions {
  config: Pick<Config, 'cluster' | 'site' | 'nats'>;
  name: string;
  machineId: string;
  /** Not closed here. */
  nats: NatsHandle;
  /** The name is this agent's, or is no longer. */
  onName(isHeld: boolean): void;
  /** Another machine or process has it, and it was never this agent's. */
  onRefused(holder: NameHolder): void;
  logger: Logger;
}

/** The hold; close() gives the name up. */
export interface AgentName {
  close(): Promise<void>;
}

/** How long an agent tells who was refused its name. */
const RIVAL_SHOWN_MS = 600_000;

/** Asks for the name now, whenever NATS comes back, and with every heartbeat. */
export function holdAgentName(options: AgentNameOptions): AgentName {
  const { config, name, machineId, nats, onName, onRefused, logger } = options;
  const { replicas } = config.nats;
  const bucketOf = (bucket: string) => new Bucket(nats, { name: bucket, leaseMs: NODE_LEASE_MS, replicas }, logger);
  const nodes = bucketOf(BUCKET.nodes);
  const startedAtMs = Date.now();
  let rival: RivalRecord | undefined;
  let hasHeld = false;
  let failure = '';

  const record = (): AgentRecord => ({
    ...{ node: name, role: 'agent', cluster: config.cluster, site: config.site, machineId, version: manifest.version },
    ...{ pid: process.pid, startedAtMs, host: hostname() },
    ...(rival && Date.now() - rival.atMs < RIVAL_SHOWN_MS ? { rival } : {}),
  });
  const refused = (holder: NameHolder) => {
    onName(false);
    const own: RivalRecord = { machineId, pid: process.pid, address: hostname(), atMs: Date.now() };
    nats.connection?.publish(CLUSTER_SUBJECT.rival(name), JSON.stringify(own));
    logger.error(
      { node: name, role: holder.role, holder: holder.machineId, pid: holder.pid },
      'the name of this agent is held by another machine or process: give this one its own node.name',
    );
    if (!hasHeld) onRefused(holder);
  };
  const heartbeat = startHeartbeat<NameHolder>({
    nats,
    bucket: bucketOf(BUCKET.agents),
    record,
    onHeld() {
      hasHeld = true;
      failure = '';
      onName(true);
    },
    onTaken: refused,
    async holderElsewhere() {
      const entry = await (await nodes.open())?.get(name);
      return entry?.operation === 'PUT' ? entry.json<NodeRecord>() : undefined;
    },
    onFailure(error) {
      const reason = errorMessage(error);
      if (reason !== failure) logger.warn({ reason }, 'the name of this agent is not held yet, its telemetry waits');
      failure = reason;
    },
    logger,
  });
  const stopRivals = hearRivals(nats, name, (heard) => {
    // who is refused hears itself
    if (heard.machineId === machineId && heard.pid === process.pid) return;
    rival = { ...heard, atMs: Date.now() };
    logger.warn({ rival }, 'another machine asked for the name of this agent and was refused');
    heartbeat.beat();
  });
  return {
    async close() {
      stopRivals();
      await heartbeat.close();
    },
  };
}

/** Listens from each time NATS is connected; returns how to stop. A connection brings its subscription back by itself. */
function hearRivals(nats: NatsHandle, name: string, onRival: (rival: RivalRecord) => void): () => void {
  let subscription: Subscription | undefined;
  let subscribedOn: unknown;
  const subscribe = () => {
    const { connection, state } = nats;
    if (state !== 'connected' || !connection || connection === subscribedOn) return;
    subscribedOn = connection;
    subscription = connection.subscribe(CLUSTER_SUBJECT.rival(name), {
      callback: (error, message) => {
        const said = error ? undefined : rivalOf(message.string());
        if (said) onRival(said);
      },
    });
  };
  const stopListening = nats.onChange(subscribe);
  subscribe();
  return () => {
    stopListening();
    subscription?.unsubscribe();
  };
}

/** What somebody said, if it is a rival's record. */
function rivalOf(text: string): RivalRecord | undefined {
  try {
    const { machineId, pid, address } = JSON.parse(text) as Partial<RivalRecord>;
    if (typeof machineId !== 'string' || typeof pid !== 'number' || typeof address !== 'string') return undefined;
    return { machineId, pid, address, atMs: Date.now() };
  } catch {
    return undefined;
  }
}
