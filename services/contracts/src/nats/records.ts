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
}
