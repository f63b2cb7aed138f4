/**
 * What operators ask running nodes over NATS (`weir drain`, `weir streams`): one request, one answer, JSON in UTF-8.
 * Before it: the command line; after it: the node's control listener.
 */

/** A request, on `weir.cluster.control.<node>` or, for all nodes, `weir.cluster.control`. */
export type ControlRequest = { command: 'drain' } | { command: 'serve' } | { command: 'streams' };

/** One stream as one node sees it. */
export interface NodeStream {
  /** `app/name`. */
  stream: string;
  source: 'publisher' | 'relay' | 'none';
  /** Node it is pulled from; empty when it is published here, or nowhere. */
  from: string;
  /** Of the pull; `idle` without one. */
  state: string;
  /** Viewers here, relays not counted. */
  viewers: number;
  /** Unix time, ms, of the publish; 0 = none yet. */
  epoch: number;
  /** Nodes between the publisher and this one. */
  hops: number;
}

/** A node's answer. */
export type ControlAnswer =
  | { ok: true; node: string; draining: boolean; streams?: NodeStream[] }
  | { ok: false; node: string; message: string };
