/**
 * Which engine plays a feed: mpegts.js for FLV, hls.js or the browser for HLS. Each is fetched only when it is needed.
 */

import type { Transport } from '../../../weir-player.d.ts';
import { Feed, type MediaFeed } from '../source/feed.ts';
import { HlsFeed } from '../source/hls-feed.ts';
import type { Playback, PlaybackFailure } from './flv-playback.ts';
import { canPlayFlv } from './support.ts';

/**
 * FLV where it can be played, HLS where the browser lacks Media Source Extensions. `fallback` is for networks that let no
 * FLV through, and for streams that come by FLV but can't be played so.
 */
export function transportsFor(wanted: Transport | 'auto'): {
  transports: readonly Transport[];
  fallback: readonly Transport[];
} {
  if (wanted !== 'auto') return { transports: [wanted], fallback: [] };
  return canPlayFlv()
    ? { transports: ['ws-flv', 'http-flv'], fallback: ['hls'] }
    : { transports: ['hls'], fallback: [] };
}

/** Starts playing a feed. */
export type Engine = (
  video: HTMLVideoElement,
  feed: MediaFeed,
  onFailure: (failure: PlaybackFailure) => void,
) => Playback;

/** Gives the engine of a feed, fetched once. */
export class Engines {
  readonly #engines = new Map<'flv' | 'hls', Promise<Engine>>();

  /** Engines are large: the one that will be needed is asked for while the connection is being made. */
  for(transport: Transport): Promise<Engine> {
    const kind = transport === 'hls' ? 'hls' : 'flv';
    const engine = this.#engines.get(kind) ?? (kind === 'hls' ? hlsEngine() : flvEngine());
    this.#engines.set(kind, engine);
    return engine;
  }
}

/** mpegts.js, for FLV. */
async function flvEngine(): Promise<Engine> {
  const { playFlv } = await import('./flv-playback.ts');
  return (video, feed, onFailure) => {
    if (!(feed instanceof Feed)) throw new TypeError('This engine plays FLV.');
    return playFlv(video, feed, onFailure);
  };
}

/** hls.js, or the browser itself. */
async function hlsEngine(): Promise<Engine> {
  const { playHls } = await import('./hls-playback.ts');
  return (video, feed, onFailure) => {
    if (!(feed instanceof HlsFeed)) throw new TypeError('This engine plays HLS.');
    return playHls(video, feed, onFailure);
  };
}
