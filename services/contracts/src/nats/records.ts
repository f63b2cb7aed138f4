/** What the KV buckets hold, as JSON in UTF-8. Readers ignore fields they do not know. */

export type NodeRole = 'edge' | 'origin';

/** One live node in the bucket `weir_nodes`, refreshed every {@link NODE_HEARTBEAT_MS}. */
export interface NodeRecord {
  node: string;
  role: NodeRole;
  cluster: string;
  site: string;
  machineId: string;
  version: string;
  pid: number;
  /** Unix time, ms. */
  startedAtMs: number;
  /** `host:port` as other members and clients reach it. */
  addresses: { rtmp: string; relay: string; http: string };
  /** Connections this node accepts at most. */
  capacity: number;
  load: { publishers: number; viewers: number; relays: number; streams: number };
  draining: boolean;
  /** An edge that serves as origin too, because too few origins live. */
  elected?: boolean;
  /** How much more it can take, 0 (nothing) to 100 (idle). */
  weight?: number;
  /** Who was last refused this node's name; for some minutes. */
  rival?: RivalRecord;
}

/** One live agent in the bucket `weir_agents`, refreshed every {@link NODE_HEARTBEAT_MS}: its hold on its name. It is no member. */
export interface AgentRecord
  extends Pick<NodeRecord, 'node' | 'cluster' | 'site' | 'machineId' | 'version' | 'pid' | 'startedAtMs' | 'rival'> {
  role: 'agent';
  /** Name of its machine. */
  host: string;
}

/** Who asked for a name that another machine, or another process, holds; also what it says on `CLUSTER_SUBJECT.rival`. */
export interface RivalRecord {
  machineId: string;
  pid: number;
  /** `host:port` of its RTMP listener; an agent's host. */
  address: string;
  /** Unix time, ms. */
  atMs: number;
}

/** True when other nodes get streams through this one: an origin, or an edge elected to be one. */
export function servesAsOrigin({ role, elected }: Pick<NodeRecord, 'role' | 'elected'>): boolean {
  return role === 'origin' || elected === true;
}

/** One elected origin in the bucket `weir_roles`, by its place (`origin-0` …); held by a lease. */
export interface RoleRecord {
  node: string;
  /** Unix time, ms. */
  sinceMs: number;
}

/** The publisher of one stream in the bucket `weir_streams`, kept by the edge it is connected to. */
export interface StreamRecord {
  /** `app/name`. */
  stream: string;
  /** Node the publisher is connected to. */
  node: string;
  /** `host:port` of that node's relay listener. */
  relay: string;
  /** Unix time in ms of the publish; a higher epoch is a newer publisher. */
  epoch: number;
  /** It is a backup: any publisher that is none takes its place. */
  backup?: boolean;
}

/**
 * What the clients of one node use of their apps' quotas, in the bucket `weir_usage` by the node's name; every node adds up
 * what the others say. Apps without a quota, and apps nobody uses there, are not in it.
 */
export interface UsageRecord {
  node: string;
  apps: Record<string, AppShare>;
}

/** One node's part in what an app uses. */
export interface AppShare {
  viewers: number;
  publishers: number;
  /** Sent to its viewers. */
  bitsPerSecond: number;
  /** Only while the app is over its quota: when its newest viewers there were let in, the newest first. Unix time, ms. */
  newestViewers?: number[];
  /** The same of its publishers. */
  newestPublishers?: number[];
}
