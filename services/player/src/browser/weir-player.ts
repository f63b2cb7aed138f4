/**
 * The module a page embeds: `attachPlayer(video, { url })`. It puts player, surface and measuring together; each works
 * without the next.
 */
import { Measuring, type MeasuringOptions } from './measure/measuring.ts';
import { LivePlayer } from './player.ts';
import { streamOf } from './source/candidates.ts';
import type { PlaybackOptions, PlayerEvents, PlayerState, PlayerStats } from './types.ts';
import { createSurface, type SurfaceOptions } from './ui/surface.ts';

export type { MeasuringOptions, PlaybackOptions, PlayerEvents, PlayerState, PlayerStats, SurfaceOptions };

/** All that {@link attachPlayer} can be told. */
export interface AttachOptions extends PlaybackOptions {
  /** Messages, control bar and overlay around the video. Default: yes; false leaves the element alone. */
  surface?: SurfaceOptions | false;
  /** Measures what the viewer sees and sends it. Default: no. */
  measure?: MeasuringOptions;
}

/** A player on a page. */
export interface AttachedPlayer {
  readonly state: PlayerState;
  /** What surrounds the video now; the video itself without a surface. */
  readonly element: HTMLElement;
  play(): void;
  pause(): void;
  jumpToLive(): void;
  stats(): PlayerStats;
  /** Calls `listener` on each event of this name; returns how to stop that. */
  on<K extends keyof PlayerEvents>(name: K, listener: (value: PlayerEvents[K]) => void): () => void;
  /** The viewer agrees to be measured, or no longer does. */
  setConsent(consent: boolean): void;
  /** Ends playing and measuring, and leaves the video element as it was. */
  close(): void;
}

/**
 * Plays a live stream in `video` until `close()`.
 * @throws TypeError when a URL is none.
 */
export function attachPlayer(video: HTMLVideoElement, options: AttachOptions): AttachedPlayer {
  const measuring = new Measuring(options.measure ?? { consent: false });
  const session = options.session ?? measuring.session;
  const player = new LivePlayer(video, { ...options, session });
  const [first = ''] = typeof options.url === 'string' ? [options.url] : options.url;
  measuring.attach(player, new URL(first, location.href));
  const surface = options.surface === false ? undefined : createSurface(player, options.surface ?? {});
  return {
    get state() {
      return player.state;
    },
    element: surface?.element ?? video,
    play: () => player.play(),
    pause: () => player.pause(),
    jumpToLive: () => player.jumpToLive(),
    stats: () => player.stats(),
    on: (name, listener) => player.events.on(name, listener),
    setConsent: (consent) => measuring.setConsent(consent),
    close() {
      measuring.close();
      surface?.close();
      player.close();
    },
  };
}

/** Application and name of a stream's URL, as in the measurements. */
export { streamOf };
