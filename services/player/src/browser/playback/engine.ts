/**
 * Which engine plays a feed: mpegts.js for FLV, hls.js or the browser for HLS. Each is fetched only when it is needed.
 */
import { Feed, type MediaFeed } from '../source/feed.ts';
import { HlsFeed } from '../source/hls-feed.ts';
import type { Transport } from '../types.ts';
import type { Playback, PlaybackFailure } from './flv-playback.ts';
import { canPlayFlv } from './support.ts';

/** FLV where it can be played, HLS where the browser lacks Media Source Extensions. */
export function transportsFor(wanted: Transport | 'auto'): readonly Transport[] {
  if (wanted !== 'auto') return [wanted];
  return canPlayFlv() ? ['ws-flv', 'http-flv'] : ['hls'];
}

/** Starts playing a feed. */
export type Engine = (
  video: HTMLVideoElement,
  feed: MediaFeed,
  onFailure: (failure: PlaybackFailure) => void,
) => Playback;

/** mpegts.js, for FLV. */
export async function flvEngine(): Promise<Engine> {
  const { playFlv } = await import('./flv-playback.ts');
  return (video, feed, onFailure) => {
    if (!(feed instanceof Feed)) throw new TypeError('This engine plays FLV.');
    return playFlv(video, feed, onFailure);
  };
}

/** hls.js, or the browser itself. */
export async function hlsEngine(): Promise<Engine> {
  const { playHls } = await import('./hls-playback.ts');
  return (video, feed, onFailure) => {
    if (!(feed instanceof HlsFeed)) throw new TypeError('This engine plays HLS.');
    return playHls(video, feed, onFailure);
  };
}
