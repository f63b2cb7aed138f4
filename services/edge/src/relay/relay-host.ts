/**
 * Who may pull from this node: members of the cluster, proven by the claim in the query of the name they play. An edge
 * gives away only what is published on it; an origin anything it can get from the publishing edge.
 */
import { streamKey } from '../rtmp/names.ts';
import type { SessionHost } from '../rtmp/session-host.ts';
import type { RelayRefusal } from '../stats.ts';
import type { Streams } from '../stream/streams.ts';
import { type AnnouncementSink, takeAnnouncements } from './announcements.ts';
import { ANNOUNCE_STREAM } from './announcer.ts';
import type { KeyRing } from './key-ring.ts';
import { PROBE_HOPS } from './probe.ts';

/** Options of {@link relayHost}. */
export interface RelayHostOptions {
  node: string;
  /** True while this node relays what is published elsewhere: an origin, or an edge elected to be one. */
  servesAsOrigin: () => boolean;
  ring: KeyRing;
  maxHops: number;
  streams: () => Streams;
  /** True when the stream could be pulled from somewhere. */
  canPull: (stream: string) => boolean;
  /** Takes what other nodes say is published on them. */
  announcements: AnnouncementSink;
  /** A pull was refused; questions that are none (probe.ts) do not count. */
  onRefused: (reason: RelayRefusal) => void;
}

/** The host of all sessions on the relay listener. */
export function relayHost(options: RelayHostOptions): SessionHost {
  const { node, servesAsOrigin, ring, maxHops, streams, canPull, announcements, onRefused } = options;
  const denied = { refused: 'refused', description: 'This port is for members of the cluster.' } as const;
  return {
    async publish(name, client, revoke) {
      if (streamKey(name) !== ANNOUNCE_STREAM) return denied;
      const claim = ring.verify(ANNOUNCE_STREAM, name.query);
      return claim ? takeAnnouncements(claim.node, announcements, client, () => revoke('idle')) : denied;
    },
    play(name, client, transport) {
      const key = streamKey(name);
      const claim = ring.verify(key, name.query);
      if (!claim) {
        onRefused('claim');
        return denied;
      }
      const isQuestion = claim.hops === PROBE_HOPS;
      const known = streams().get(key);
      const here = isQuestion ? streams().isPublished(key) : known?.publisher !== undefined;
      const isCircle = claim.node === node || (!here && claim.hops >= maxHops);
      if (isCircle || (!here && (!servesAsOrigin() || !(known?.source === 'relay' || canPull(key))))) {
        if (!isQuestion) onRefused(isCircle ? 'hops' : 'stream-not-found');
        return { refused: 'stream-not-found', description: 'This node does not have the stream.' };
      }
      if (isQuestion) {
        // Answered, and nothing more.
        transport.begin({ hasAudio: true, hasVideo: true });
        return { end: () => {}, pause: () => {} };
      }
      return streams().relay(name, { ...client, userAgent: `weir/${claim.node}` }, transport, claim.hops);
    },
  };
}
