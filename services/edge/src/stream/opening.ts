/**
 * The first bytes of a viewer: decoder headers and the newest key frame, at once. Before it: the hub's GOP cache; after it:
 * catch-up.ts, which brings the rest of the GOP at a bounded pace, or the lane straight away.
 */
import { relayMark } from '../relay/mark.ts';
import type { Encoding } from './encoding.ts';
import type { GopCache } from './gop-cache.ts';
import { type HubMessage, UNNUMBERED } from './hub-log.ts';
import { timestampDelta } from './timeline.ts';

/** How a viewer begins. */
export interface Opening {
  /** Bytes that go ahead of `messages`: headers, and for relays marks. */
  prefix: Buffer[];
  /** What to show from the cache; empty: nothing, the viewer only hears until the next key frame. */
  messages: readonly HubMessage[];
  /** True when `messages` is a still picture, and the viewer goes on at the next key frame. */
  still: boolean;
}

/** What an opening is made of. */
export interface OpeningSource {
  gop: GopCache;
  /** The newest message, if any. */
  last: HubMessage | undefined;
  epoch: number;
  hops: number;
  /** Number the next message will have. */
  nextSequence: number;
  chunkSizeBytes: number;
  /** Low latency: what is cached beyond this is not caught up with; undefined: all of it is. */
  shortestMs: number | undefined;
}

/**
 * Makes it. With low latency a GOP that began long ago is no way to the present: its key frame is shown as a still, stamped
 * with the newest time so that no player takes the past for its clock.
 */
export function openingFor(encoding: Encoding, source: OpeningSource): Opening {
  const { gop, last, shortestMs } = source;
  const isRelay = encoding.name === 'relay';
  const [key] = gop.gop;
  const ageMs = key && last ? timestampDelta(last.viewerTimestamp, key.viewerTimestamp) : 0;
  const still = key !== undefined && !isRelay && shortestMs !== undefined && ageMs > shortestMs;
  const messages = still ? [at(key, last)] : gop.gop;
  const prefix: Buffer[] = [];
  const mark = (sequence: number) => {
    if (isRelay) prefix.push(relayMark({ ...source, hops: source.hops + 1, sequence }, source.chunkSizeBytes));
  };
  mark(UNNUMBERED);
  // Headers go with the first message's time, so that no player sees a jump between them.
  for (const header of gop.headers()) prefix.push(encoding.encode(at(header, messages[0] ?? last)));
  mark(key?.sequence ?? source.nextSequence);
  return { prefix, messages, still };
}

/** A copy that goes out at the time of `time`, not encoded yet. */
function at(message: HubMessage, time: HubMessage | undefined): HubMessage {
  const { type, kind, slot, payload, epoch, sequence, hops } = message;
  const { timestamp = 0, viewerTimestamp = 0 } = time ?? {};
  return { type, kind, slot, payload, epoch, sequence, hops, breaks: false, timestamp, viewerTimestamp };
}
