/**
 * Plays one feed in a video element through mpegts.js: FLV in, Media Source Extensions out. Before it: a feed that has
 * its first byte; after it: the element. mpegts.js does no networking here, its loader adopts the feed.
 */
import mpegts from 'mpegts.js';
import type { Feed } from '../source/feed.ts';

/** A running playback. */
export interface Playback {
  /** Behind the live edge, ms, where the engine knows; FLV's delay is told by its timestamps. */
  readonly delayMs: number | undefined;
  /** Takes the media away from the element. */
  close(): void;
}

/** What can go wrong inside: the codec or container cannot be played here, or the media pipeline failed. */
export type PlaybackFailure = { kind: 'unsupported' | 'broken'; message: string };

const BACK_BUFFER_MAX_SECONDS = 30;
const BACK_BUFFER_MIN_SECONDS = 10;

/** Starts playing; `onFailure` is told at most once. */
export function playFlv(video: HTMLVideoElement, feed: Feed, onFailure: (failure: PlaybackFailure) => void): Playback {
  mpegts.LoggingControl.enableAll = false;
  const player = mpegts.createPlayer(
    { type: 'flv', isLive: true, url: feed.candidate.url.href },
    {
      customLoader: loaderOf(feed),
      enableStashBuffer: false,
      lazyLoad: false,
      deferLoadAfterSourceOpen: false,
      autoCleanupSourceBuffer: true,
      autoCleanupMaxBackwardDuration: BACK_BUFFER_MAX_SECONDS,
      autoCleanupMinBackwardDuration: BACK_BUFFER_MIN_SECONDS,
      fixAudioTimestampGap: true,
    },
  );
  let open = true;
  let failed = false;
  player.on(mpegts.Events.ERROR, (type: string, detail: string, info: { msg?: string } | undefined) => {
    // Two tracks of unknown codecs are two errors.
    if (!open || failed) return;
    failed = true;
    const { MEDIA_CODEC_UNSUPPORTED, MEDIA_FORMAT_UNSUPPORTED } = mpegts.ErrorDetails;
    const unsupported = detail === MEDIA_CODEC_UNSUPPORTED || detail === MEDIA_FORMAT_UNSUPPORTED;
    onFailure({ kind: unsupported ? 'unsupported' : 'broken', message: info?.msg ?? `${type} ${detail}` });
  });
  player.attachMediaElement(video);
  player.load();
  return {
    delayMs: undefined,
    close() {
      if (!open) return;
      open = false;
      player.destroy();
    },
  };
}

/** A loader class, as mpegts.js wants one, whose one instance gives out the feed's bytes. */
function loaderOf(feed: Feed): mpegts.CustomLoaderConstructor {
  const { kIdle, kBuffering } = mpegts.LoaderStatus;
  return class extends mpegts.BaseLoader {
    #at = 0;

    constructor() {
      super('weir-feed');
      this._needStash = false;
    }

    override open(): void {
      this._status = kBuffering;
      feed.drainTo((bytes) => {
        const start = this.#at;
        this.#at += bytes.length;
        this.onDataArrival(wholeBuffer(bytes), start, this.#at);
      });
    }

    override abort(): void {
      this._status = kIdle;
    }
  };
}

/** mpegts.js takes ArrayBuffers: the one behind `bytes` when it is no part of a bigger one. */
function wholeBuffer(bytes: Uint8Array): ArrayBuffer {
  if (bytes.byteLength === bytes.buffer.byteLength) return bytes.buffer as ArrayBuffer;
  return bytes.slice().buffer as ArrayBuffer;
}
