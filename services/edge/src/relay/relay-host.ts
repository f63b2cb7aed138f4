/**
 * Who may pull from this node: members of the cluster, proven by the claim in the query of the name they play. An edge
 * gives away only what is published on it; an origin anything it can get from the publishing edge.
 */
import type { NodeRole } from '@weir/contracts/nats/records';
import { verifyRelay } from '@weir/contracts/relay-auth';
import { streamKey } from '../rtmp/names.ts';
import type { SessionHost } from '../rtmp/session-host.ts';
import type { Streams } from '../stream/streams.ts';

/** Options of {@link relayHost}. */
export interface RelayHostOptions {
  node: string;
  role: NodeRole;
  /** Keys of the cluster; all are accepted. */
  keys: readonly string[];
  maxHops: number;
  streams: () => Streams;
  /** True when the stream could be pulled from somewhere. */
  canPull: (stream: string) => boolean;
}

/** The host of all sessions on the relay listener. */
export function relayHost(options: RelayHostOptions): SessionHost {
  const { node, role, keys, maxHops, streams, canPull } = options;
  const denied = { refused: 'refused', description: 'This port is for members of the cluster.' } as const;
  return {
    publish: async () => denied,
    play(name, client, transport) {
      const key = streamKey(name);
      const claim = verifyRelay(key, name.query, keys, Date.now() / 1_000);
      if (!claim) return denied;
      const known = streams().get(key);
      const here = known?.publisher !== undefined;
      const isCircle = claim.node === node || (!here && claim.hops >= maxHops);
      if (isCircle || (!here && (role !== 'origin' || !(known?.source === 'relay' || canPull(key))))) {
        return { refused: 'stream-not-found', description: 'This node does not have the stream.' };
      }
      return streams().relay(name, { ...client, userAgent: `weir/${claim.node}` }, transport, claim.hops);
    },
  };
}
