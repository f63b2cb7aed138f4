/**
 * OTLP log records that are events: one when a connection gets its role, one when it ends, one per fail-over.
 * The record's `eventName` names it; its attributes carry the fields; ingest turns them into rows. A record's time is
 * the moment it tells of: opened, closed, loss noticed.
 */

export const EVENT = {
  connectionOpened: 'live.connection.opened',
  connectionClosed: 'live.connection.closed',
  failover: 'live.failover',
  /** The cluster changed, as one of its nodes saw it: see {@link CLUSTER_ATTRIBUTE}. */
  cluster: 'weir.cluster',
  /** The directory's record of a stream changed: see {@link STREAM_CHANGE_ATTRIBUTE}. */
  streamChange: 'live.stream.change',
  /** What a node says of itself (draining, serving), or somebody of a node (expected, retired): see {@link NODE_MARK_ATTRIBUTE}. */
  nodeMark: 'weir.node.mark',
  /** Somebody did something by a node's admin API, or tried: see {@link ADMIN_ATTRIBUTE}. */
  adminAction: 'weir.admin.action',
  /** A director changed its state, seen by the agent on it: see {@link VRRP_ATTRIBUTE}. */
  vrrp: 'weir.vrrp.change',
} as const;

export type ConnectionRole = 'publisher' | 'viewer' | 'relay';
export type Protocol = 'rtmp' | 'rtmps' | 'http-flv' | 'ws-flv' | 'hls';

/** Attribute names of connection events; the closed event repeats all of the opened one. */
export const CONNECTION_ATTRIBUTE = {
  /** UUID of the connection. */
  id: 'live.connection.id',
  role: 'role',
  protocol: 'protocol',
  app: 'app',
  stream: 'stream',
  clientAddress: 'client.address',
  clientPort: 'client.port',
  /** Viewer's session id from the query parameter `session`, if any. */
  session: 'session.id',
  /** What the client calls itself (`flashVer`, User-Agent), at most 200 characters. */
  userAgent: 'user_agent.original',
  /** Unix time, ms, of the moment the connection got its role. */
  openedAtMs: 'live.connection.opened_at',
  // closed only:
  reason: 'reason',
  bytesIn: 'live.connection.bytes_in',
  /** Bytes handed to the socket. */
  bytesQueued: 'live.connection.bytes_queued',
  /** Bytes the kernel has taken. */
  bytesDelivered: 'live.connection.bytes_delivered',
  framesDropped: 'live.connection.frames_dropped',
} as const;

/** Attribute names of {@link EVENT.failover}; the record's time is the moment the loss was noticed. */
export const FAILOVER_ATTRIBUTE = {
  app: 'app',
  stream: 'stream',
  cause: 'cause',
  /** Node the stream was pulled from before, empty when unknown. */
  from: 'live.failover.from',
  /** Node it is pulled from now. */
  to: 'live.failover.to',
  /** Wall-clock time between the last message viewers were given of the old upstream and the first of the new one, ms. */
  gapMs: 'live.failover.gap_ms',
  /** Media time missing between these two, ms, 0 = nothing; absent when they are of different publishers. */
  mediaGapMs: 'live.failover.media_gap_ms',
  /** Viewers on this node who were affected. */
  viewers: 'live.failover.viewers',
} as const;

/** Attribute names of {@link EVENT.cluster}; the sender is the node that saw it. */
export const CLUSTER_ATTRIBUTE = {
  /** `joined`, `gone`, `elected` (an edge serves as origin too) or `relieved` (it does no longer). */
  event: 'weir.cluster.event',
  /** Node it happened to. */
  node: 'weir.cluster.node',
  /**
   * Of `gone`: `left`, `silent` (its lease ran out) or `connection-lost` (the same sooner, somebody lost its connection to it);
   * of `joined`: `heard`; of `elected`: `origins-missing`; of `relieved`: `origins-back`, `place-taken`, `draining` or
   * `shutdown`.
   */
  cause: 'weir.cluster.cause',
} as const;

/** Attribute names of {@link EVENT.streamChange}; the sender is the node whose publisher it is, or was. */
export const STREAM_CHANGE_ATTRIBUTE = {
  app: 'app',
  stream: 'stream',
  /** `published`, `settled` (NATS, which was away, agrees), `ended` or `lost` (another node has the name now). */
  change: 'live.stream.change',
  /**
   * Of `published` and `settled`: `free`, `own`, `holder-gone`, `newest-wins`, `primary-back` or `nats-away`; of `ended`: why the
   * publisher's connection ended; of `lost`: `taken`.
   */
  cause: 'cause',
  /** Node that had the name before; empty = none. */
  from: 'live.stream.change.from',
  /** Node that has it now; empty = none. */
  to: 'live.stream.change.to',
} as const;

/**
 * Attribute names of {@link EVENT.nodeMark}. A node that starts to drain marks itself `draining` and, whenever it starts to
 * take connections, `serving`; draining and retired nodes raise no alarm. The record's body is the reason for people.
 */
export const NODE_MARK_ATTRIBUTE = {
  /** `expected`, `serving`, `draining` or `retired`. */
  mark: 'weir.node.mark',
  /** Node that is meant, when it is not the one that sends. */
  node: 'weir.node.mark.node',
} as const;

/** Attribute names of {@link EVENT.vrrp}; the states are `VRRP_STATES` of site-metrics.ts. */
export const VRRP_ATTRIBUTE = {
  group: 'weir.vrrp.group',
  /** The new state. */
  state: 'weir.vrrp.state',
  /** The state before. */
  before: 'weir.vrrp.state.before',
} as const;

/** Attribute names of {@link EVENT.adminAction}: who did what to what, from where, with what outcome. */
export const ADMIN_ATTRIBUTE = {
  /** `kick`, `drain`, `reload`, or `denied` for a request without the right to make it. */
  action: 'weir.admin.action',
  /** What it was done to: a connection's id, changed configuration keys; empty for the node. */
  target: 'weir.admin.target',
  /** `token`, `loopback` or `cluster` (by NATS): by what right; empty without any. What the caller calls itself is in `weir.admin.actor`. */
  right: 'weir.admin.right',
  /** The request's `Weir-Actor` header (a person, a script); it proves nothing. */
  actor: 'weir.admin.actor',
  clientAddress: 'client.address',
  /** `done`, `refused` or `not-found`. */
  outcome: 'weir.admin.outcome',
} as const;

/** Why a connection ended or was refused; the values of the attribute `reason`. */
export const CLOSE_REASONS = [
  'client-closed',
  'client-reset',
  'stream-ended',
  // a relay: this node has no source for the stream any more, another may
  'source-lost',
  'stream-not-found',
  'stream-busy',
  'slow-viewer',
  'idle',
  // full: the node, the address, the stream, the app (customer)
  'limit',
  // the node is being taken out of service
  'draining',
  'ip-limit',
  'stream-limit',
  'app-limit',
  // too much: new connections of an address, bits of a publisher
  'connect-rate',
  'bitrate-limit',
  // may not: by address, without or with a bad key or signature, by the callback server's word or absence
  'address-denied',
  'key-missing',
  'key-wrong',
  'signature-wrong',
  'signature-expired',
  'callback-denied',
  'callback-away',
  'refused',
  'bad-handshake',
  'protocol-error',
  'kicked',
  'shutdown',
  'silent',
  'error',
] as const;
export type CloseReason = (typeof CLOSE_REASONS)[number];
