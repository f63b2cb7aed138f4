/**
 * What operators ask running nodes over NATS (`weir drain`, `weir streams`): one request, one answer, JSON in UTF-8.
 * Before it: the command line; after it: the node's control listener.
 */

/** A request; `actor` is who the operator says to be, for the audit. On `weir.cluster.control.<node>` or, for all nodes, `weir.cluster.control`. */
export type ControlRequest =
  /**
   * Clients that know how are asked to reconnect elsewhere; with a deadline the node ends when it is empty or time is up.
   * `actor` is who the operator says to be, for the audit.
   */
  | { command: 'drain'; deadlineSeconds?: number; actor?: string }
  | { command: 'serve'; actor?: string }
  | { command: 'streams' }
  | { command: 'externals' };

/** A stream between a node and a server that is no member (`relay.external`, `relay.push`). */
export interface ExternalLink {
  /** `app/name`. */
  stream: string;
  direction: 'pull' | 'push';
  /** The other server; what could be a key is left out. */
  url: string;
  /** `waiting`: until it is tried again. */
  state: 'connecting' | 'live' | 'waiting';
  /** Unix time, ms, since when it is in this state. */
  sinceMs: number;
  /** Times it did not work, or ended. */
  failures: number;
  /** Why it last did not work; empty = it always has. */
  reason: string;
}

/** One stream as one node sees it. */
export interface NodeStream {
  /** `app/name`. */
  stream: string;
  /** `filler`: a clip stands in, because nobody publishes it (`stream.alwaysOn`). */
  source: 'publisher' | 'relay' | 'filler' | 'none';
  /** Node it is pulled from; empty when it is published here, or nowhere. */
  from: string;
  /** Of the pull; `idle` without one. */
  state: string;
  /** Viewers here, relays not counted. */
  viewers: number;
  /** Publishers on this node that stand by for the one in force. */
  standbys?: number;
  /** Unix time, ms, of the publish; 0 = none yet. */
  epoch: number;
  /** Nodes between the publisher and this one. */
  hops: number;
}

/** A node's answer. */
export type ControlAnswer =
  | { ok: true; node: string; draining: boolean; streams?: NodeStream[]; externals?: ExternalLink[] }
  | { ok: false; node: string; message: string };
