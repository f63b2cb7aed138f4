/**
 * The seam between media and measuring inside a node: media counts plain numbers where things happen, telemetry reads
 * them every interval. Nothing here waits, allocates per packet, or knows OpenTelemetry.
 */
import type { CloseReason, ConnectionRole, Protocol } from '@weir/contracts/events';

/** Everything the media side tells about itself at one moment. Counters are totals since the process started. */
export interface MediaSnapshot {
  connections: { role: ConnectionRole; protocol: Protocol; open: number; opened: number }[];
  closed: { role: ConnectionRole; protocol: Protocol; reason: CloseReason; count: number }[];
  refused: { protocol: Protocol; reason: CloseReason; count: number }[];
  connectionLimit: number;
  io: { role: ConnectionRole; bytesIn: number; bytesOut: number }[];
  streams: StreamSnapshot[];
  /** Messages not sent to slow viewers, total. */
  framesDropped: number;
  /** Bytes handed to sockets and not yet taken by the kernel. */
  sendQueueBytes: number;
  mergeWindowMs: number;
  /** Longest time one flush of the fan-out held the event loop within the last ten seconds. */
  longestFlushMs: number;
  relayPulls: { state: string; count: number }[];
  relaySwitches: { cause: string; count: number }[];
}

/** One stream on this node. `bytesIn`, `bytesOut` and frames are totals since the hub began. */
export interface StreamSnapshot {
  app: string;
  name: string;
  source: 'publisher' | 'relay' | 'none';
  /** Viewers here, relays not counted. */
  viewers: number;
  bytesIn: number;
  bytesOut: number;
  videoFrames: number;
  audioFrames: number;
}

/** A connection that got its role. */
export interface ConnectionOpened {
  /** UUID. */
  id: string;
  role: ConnectionRole;
  protocol: Protocol;
  app: string;
  stream: string;
  clientAddress: string;
  clientPort: number;
  /** Viewer's session id, empty when none was given. */
  session: string;
  userAgent: string;
  /** Unix time, ms. */
  openedAtMs: number;
}

/** The same connection when it ended. */
export interface ConnectionClosed extends ConnectionOpened {
  reason: CloseReason;
  bytesIn: number;
  /** Bytes handed to the socket. */
  bytesQueued: number;
  /** Bytes the kernel has taken. */
  bytesDelivered: number;
  framesDropped: number;
  closedAtMs: number;
}

/** A stream whose upstream changed under its viewers. */
export interface FailoverHappened {
  app: string;
  stream: string;
  cause: string;
  from: string;
  to: string;
  /** Unix time, ms, of the moment the loss was noticed. */
  noticedAtMs: number;
  /** Time between the last message of the old upstream and the first of the new one. */
  gapMs: number;
  viewers: number;
}

/** A change in the cluster, or what a node says of itself, as this node saw it. */
export type ClusterEvent =
  /** `reason` is for people. */
  | { kind: 'mark'; mark: 'draining' | 'serving'; reason: string }
  /** `node` is the one it happened to: seen for the first time, gone, elected origin, origin no more. */
  | { kind: 'cluster'; event: 'joined' | 'gone' | 'elected' | 'relieved'; node: string };

/** Something that was done to this node by its admin API, or tried. */
export interface AdminAction {
  action: 'kick' | 'drain' | 'serve' | 'reload' | 'denied';
  /** A connection's id, configuration keys; empty for the node. */
  target: string;
  outcome: 'done' | 'refused' | 'not-found';
  /** By what right; empty without any. */
  right: 'token' | 'loopback' | '';
  /** Who the caller says it is. */
  actor: string;
  clientAddress: string;
  /** For people. */
  detail: string;
  /** Unix time, ms. */
  atMs: number;
}

/** Told by media as it happens; implementations must return at once and never throw. */
export interface MediaObserver {
  connectionOpened(connection: ConnectionOpened): void;
  connectionClosed(connection: ConnectionClosed): void;
  failover(failover: FailoverHappened): void;
  clusterChanged(event: ClusterEvent): void;
  adminAction(action: AdminAction): void;
}

/** What telemetry reads. */
export interface MediaStats {
  snapshot(): MediaSnapshot;
}
