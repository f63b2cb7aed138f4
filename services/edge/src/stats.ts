/**
 * The seam between media and measuring inside a node: media counts plain numbers where things happen, telemetry reads
 * them every interval. Nothing here waits, allocates per packet, or knows OpenTelemetry.
 */
import type { CloseReason, ConnectionRole, Protocol } from '@weir/contracts/events';
import type { NodeStream } from '@weir/contracts/nats/control';

/** Everything the media side tells about itself at one moment. Counters are totals since the process started. */
export interface MediaSnapshot {
  connections: { role: ConnectionRole; protocol: Protocol; open: number; opened: number }[];
  closed: { role: ConnectionRole; protocol: Protocol; reason: CloseReason; count: number }[];
  refused: { protocol: Protocol; reason: CloseReason; count: number }[];
  connectionLimit: number;
  io: { role: ConnectionRole; bytesIn: number; bytesOut: number }[];
  apps: AppSnapshot[];
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
  /** Nodes between the publisher and this one, the most of all streams here. */
  relayHops: number;
  /** Pulls of other nodes that were refused, total. */
  relayRefusals: { reason: RelayRefusal; count: number }[];
  /** How much more the node can take, 0 (nothing) to 100 (idle). */
  weight: number;
  /** Streams to and from servers that are no members. */
  externals: {
    links: { direction: 'pull' | 'push'; state: 'connecting' | 'live' | 'waiting'; count: number }[];
    /** Times a link failed, total. */
    failures: { direction: 'pull' | 'push'; count: number }[];
    /** Messages not sent to slow targets, total. */
    framesDropped: number;
  };
}

/**
 * Why another node's pull was refused: its claim proves nothing (`claim`), it is this node's own or has come through too many
 * (`hops`), or the stream is not to be had here (`stream-not-found`).
 */
export type RelayRefusal = 'claim' | 'hops' | 'stream-not-found';

/** What feeds a stream here: `filler` = a clip of ours, while nobody publishes it (`stream.alwaysOn`). */
export type StreamSource = NodeStream['source'];

/** What the clients of one app (a customer's channel) use of this node; bytes are totals on their sockets, relays apart. */
export interface AppSnapshot {
  /** Empty: all apps beyond those a node tells apart. */
  app: string;
  viewers: number;
  publishers: number;
  /** From its publishers. */
  bytesIn: number;
  /** To its viewers. */
  bytesOut: number;
}

/** One stream on this node. `bytesIn`, `bytesOut` and frames are totals since the hub began. */
export interface StreamSnapshot {
  app: string;
  name: string;
  source: StreamSource;
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
  /** Wall-clock time between the last message viewers were given of the old upstream and the first of the new one. */
  gapMs: number;
  /** Media time missing between these two, 0 = nothing; undefined when they are of different publishers. */
  mediaGapMs: number | undefined;
  viewers: number;
}

/** A change in the cluster, or what a node says of itself, as this node saw it. */
export type ClusterEvent =
  /** `reason` is for people. */
  | { kind: 'mark'; mark: 'draining' | 'serving'; reason: string }
  /** `node` is the one it happened to: seen for the first time, gone, elected origin, origin no more. */
  | { kind: 'cluster'; event: 'joined' | 'gone' | 'elected' | 'relieved'; node: string; cause: ClusterCause };

/**
 * Why a node came or went (`left`: it said so; `silent`: its lease ran out; `connection-lost`: the same sooner, because somebody
 * lost its connection to it), or why an edge serves as origin or does no longer.
 */
export type ClusterCause =
  | 'heard'
  | 'left'
  | 'silent'
  | 'connection-lost'
  | 'origins-missing'
  | 'origins-back'
  | 'place-taken'
  | 'draining'
  | 'shutdown';

/** The directory's record of a stream changed, told by the node whose publisher it is or was. */
export interface StreamChange {
  /** `app/name`. */
  stream: string;
  /**
   * `published`: it is this node's now; `settled`: NATS, which was away, agrees; `ended`: its publisher is gone; `lost`: the
   * name is another node's now, and the publisher here is closed.
   */
  change: 'published' | 'settled' | 'ended' | 'lost';
  /**
   * Of `published` and `settled`: the name was `free`, or left over by this node (`own`), its holder is gone (`holder-gone`), the
   * newest wins there (`newest-wins`), it was a backup's (`primary-back`), or NATS is away and nobody could be asked
   * (`nats-away`). Of `ended`: why the publisher's connection ended. Of `lost`: `taken`.
   */
  cause: ClaimCause | CloseReason;
  /** Node that had it before; empty = none. */
  from: string;
  /** Node that has it now; empty = none. */
  to: string;
}

/** See {@link StreamChange.cause}. */
export type ClaimCause = 'free' | 'own' | 'holder-gone' | 'newest-wins' | 'primary-back' | 'nats-away' | 'taken';

/** Something that was done to this node by its admin API, or tried. */
export interface AdminAction {
  action: 'kick' | 'drain' | 'serve' | 'reload' | 'denied';
  /** A connection's id, configuration keys; empty for the node. */
  target: string;
  outcome: 'done' | 'refused' | 'not-found';
  /** By what right: the API's token, coming from this machine, as a member or operator of the cluster in NATS; empty without any. */
  right: 'token' | 'loopback' | 'cluster' | '';
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
  streamChanged(change: StreamChange): void;
  adminAction(action: AdminAction): void;
}

/** What telemetry reads. */
export interface MediaStats {
  snapshot(): MediaSnapshot;
}
