/**
 * Plays HLS: by hls.js where there are Media Source Extensions, by the browser itself where there are none (iPhones).
 * Loaded on demand only. Before it: an HLS feed whose playlist is there; after it: the element.
 */
import Hls, { type ErrorData, ErrorDetails, ErrorTypes, Events } from 'hls.js/light';
import type { HlsFeed } from '../source/hls-feed.ts';
import type { Playback, PlaybackFailure } from './flv-playback.ts';

const BACK_BUFFER_SECONDS = 10;
/** Speed at which it comes back to the live edge. */
const CATCH_UP_RATE = 1.1;
const UNSUPPORTED: ReadonlySet<string> = new Set([
  ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR,
  ErrorDetails.BUFFER_INCOMPATIBLE_CODECS_ERROR,
  ErrorDetails.BUFFER_ADD_CODEC_ERROR,
]);
/** A media error is tried to be mended once in so long; the next one is told. */
const MEND_AGAIN_MS = 10_000;

/** Starts playing; `onFailure` is told of what another connection would not mend. */
export function playHls(
  video: HTMLVideoElement,
  feed: HlsFeed,
  onFailure: (failure: PlaybackFailure) => void,
): Playback {
  return Hls.isSupported() ? playByEngine(video, feed, onFailure) : playByBrowser(video, feed, onFailure);
}

function playByEngine(video: HTMLVideoElement, feed: HlsFeed, onFailure: (failure: PlaybackFailure) => void): Playback {
  const hls = new Hls({
    lowLatencyMode: true,
    enableWorker: false,
    backBufferLength: BACK_BUFFER_SECONDS,
    maxLiveSyncPlaybackRate: CATCH_UP_RATE,
  });
  let mendedAt = Number.NEGATIVE_INFINITY;
  hls.on(Events.FRAG_LOADED, (_name, { frag, part }) => feed.arrived((part ?? frag).stats.loaded));
  hls.on(Events.ERROR, (_name, { fatal, type, details, response, error }: ErrorData) => {
    if (!fatal) return;
    const unsupported = UNSUPPORTED.has(details);
    const now = performance.now();
    if (type === ErrorTypes.NETWORK_ERROR) feed.end('closed', response?.code);
    else if (type === ErrorTypes.MEDIA_ERROR && !unsupported && now - mendedAt > MEND_AGAIN_MS) {
      mendedAt = now;
      hls.recoverMediaError();
    } else onFailure({ kind: unsupported ? 'unsupported' : 'broken', message: error.message });
  });
  hls.loadSource(feed.mediaUrl.href);
  hls.attachMedia(video);
  return {
    get delayMs() {
      return hls.latency > 0 ? hls.latency * 1_000 : undefined;
    },
    close: () => hls.destroy(),
  };
}

function playByBrowser(
  video: HTMLVideoElement,
  feed: HlsFeed,
  onFailure: (failure: PlaybackFailure) => void,
): Playback {
  const stop = new AbortController();
  const { signal } = stop;
  video.addEventListener('progress', () => feed.arrived(0), { signal });
  video.addEventListener(
    'error',
    () => {
      const { code = 0, message = '' } = video.error ?? {};
      if (code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED) onFailure({ kind: 'unsupported', message });
      else feed.end('closed');
    },
    { signal },
  );
  video.src = feed.mediaUrl.href;
  return {
    delayMs: undefined,
    close() {
      stop.abort();
      video.removeAttribute('src');
      video.load();
    },
  };
}
