/**
 * The player without its surface: one live stream in one video element, over whatever happens to network, edge, publisher
 * and tab. Before it: options; after it: the surface and the measuring, which listen to it.
 */
import { Emitter } from './emitter.ts';
import { Engines, transportsFor } from './playback/engine.ts';
import type { Playback } from './playback/flv-playback.ts';
import { clockOf, type LiveClock } from './playback/live-clock.ts';
import { LiveEdge, LOW_LATENCY, RELAXED } from './playback/live-edge.ts';
import { canPlayFlv } from './playback/support.ts';
import { verdictOf } from './playback/verdict.ts';
import { Viewing } from './playback/viewing.ts';
import { type Candidate, candidatesOf } from './source/candidates.ts';
import { Connector, type Outage } from './source/connector.ts';
import type { MediaFeed } from './source/feed.ts';
import { HlsFeed } from './source/hls-feed.ts';
import type { PlaybackOptions, PlayerEvents, PlayerProblem, PlayerState, PlayerStats, StartTimes } from './types.ts';

const TICK_MS = 100;
/** A pause longer than this lets go of the connection. */
const PAUSE_KEEPS_MS = 15_000;
/** A media pipeline that breaks again and again in so short a time is not mended by trying. */
const BROKEN_AT_MOST = 3;
const BROKEN_WITHIN_MS = 60_000;

/** What comes in at the moment. */
interface Live {
  feed: MediaFeed;
  playback: Playback;
  clock: LiveClock;
  edge: LiveEdge;
}

/** Plays from construction until `close()`. */
export class LivePlayer {
  readonly events = new Emitter<PlayerEvents & { swap: undefined; picture: undefined }>();
  readonly video: HTMLVideoElement;
  readonly #options: PlaybackOptions;
  readonly #connector: Connector;
  readonly #viewing: Viewing;
  readonly #stop = new AbortController();
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #attachedAt: number;
  readonly #engines = new Engines();
  #state: PlayerState = 'connecting';
  #live: Live | undefined;
  /** Whose frame is on the screen. */
  #shown: MediaFeed | undefined;
  #wantsPlay: boolean;
  #swapping = false;
  #start: StartTimes | undefined;
  #lost: { at: number; code: string; node: string } | undefined;
  #reconnects = 0;
  #brokenAt: number[] = [];
  #pausedAt: number | undefined;
  #delayMs: number | undefined;
  #wasMuted = false;

  /** @throws TypeError when a URL is none. */
  constructor(video: HTMLVideoElement, options: PlaybackOptions) {
    this.video = video;
    this.#options = options;
    this.#attachedAt = performance.now();
    this.#wantsPlay = options.autoplay !== false;
    this.#viewing = new Viewing(video, {
      onFrame: (at, first) => this.#onFrame(at, first),
      onStall: (stall) => {
        this.#live?.edge.stalled();
        this.events.emit('stall', { ...stall, edge: this.#shown?.tags.info });
      },
    });
    const urls = typeof options.url === 'string' ? [options.url] : options.url;
    const { transports, fallback } = transportsFor(options.transport ?? 'auto');
    const isHls = transports[0] === 'hls';
    // What cannot be fetched is told when it is needed.
    this.#engines.for(isHls ? 'hls' : 'ws-flv').catch(() => {});
    const [candidates, others] = [transports, fallback].map((some) =>
      candidatesOf(urls, some, options.session, location.href),
    ) as [Candidate[], Candidate[]];
    this.#connector = new Connector(candidates, others, {
      onFeed: (feed, attempts) => void this.#onFeed(feed, attempts).catch((error) => this.#onNoEngine(error)),
      onLoss: (feed, code) => this.#onLoss(feed, code),
      onOutage: (outage, status) => this.#onOutage(outage, status),
    });
    this.#listen();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    if (isHls || canPlayFlv()) this.#connector.start();
    else this.#fail('unsupported', 'PLAYER_UNSUPPORTED', 'This browser cannot play live FLV.', undefined);
  }

  get state(): PlayerState {
    return this.#state;
  }

  /** The browser allowed no start with sound. */
  get wasMuted(): boolean {
    return this.#wasMuted;
  }

  /** Plays on at the live edge; connects again when the pause was long or the last answer was final. */
  play(): void {
    this.#wantsPlay = true;
    if (this.#state === 'paused') this.#become(this.#connector.feed ? 'playing' : 'connecting');
    if (this.#state === 'refused') this.#become('connecting');
    if (!this.#connector.feed) this.#connector.start();
    if (this.#live) this.jumpToLive();
    void this.#startElement();
  }

  pause(): void {
    this.#wantsPlay = false;
    this.video.pause();
  }

  /** Skips what is buffered beyond the target. */
  jumpToLive(): void {
    const live = this.#live;
    if (!live) return;
    const ahead = this.#bufferMs() - live.edge.targetMs;
    if (ahead > 0) this.video.currentTime += ahead / 1_000;
  }

  stats(): PlayerStats {
    const live = this.#live;
    const { decoded, dropped } = this.#viewing.frames;
    const candidate = live?.feed.candidate ?? this.#connector.current;
    return {
      state: this.#state,
      transport: candidate.transport,
      host: candidate.url.host,
      edge: live?.feed.tags.info,
      delayMs: this.#delayMs,
      bufferMs: this.#bufferMs(),
      targetMs: live?.edge.targetMs ?? 0,
      rate: this.video.playbackRate,
      bitrate: live?.feed.bitrate ?? 0,
      framesDecoded: decoded,
      framesDropped: dropped,
      width: this.video.videoWidth,
      height: this.video.videoHeight,
      stalls: this.#viewing.stalls,
      stalledMs: this.#viewing.stalledMs,
      reconnects: this.#reconnects,
      watchedMs: this.#viewing.watchedMs,
      start: this.#start,
    };
  }

  /** Tells of a stall that is going on, as the page may not live to see its end. */
  flush(): void {
    this.#viewing.flush(performance.now());
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.flush();
    this.#become('closed');
    clearInterval(this.#timer);
    this.#stop.abort();
    this.#connector.close();
    this.#live?.playback.close();
    this.#live = undefined;
    this.#viewing.close();
    this.events.clear();
  }

  #listen(): void {
    const { signal } = this.#stop;
    this.video.addEventListener('pause', () => this.#onPause(), { signal });
    this.video.addEventListener('play', () => this.#onPlay(), { signal });
    this.video.addEventListener('loadeddata', () => this.#tick(), { signal });
    addEventListener('online', () => this.#connector.feed ?? this.#connector.start(), { signal });
    addEventListener('offline', () => this.#tick(), { signal });
    document.addEventListener('visibilitychange', () => this.#onVisibility(), { signal });
    // A tab that sleeps: what is going on is told as far as it got, and nobody watches until it wakes up.
    document.addEventListener('freeze', () => this.flush(), { signal });
    document.addEventListener('resume', () => this.#onVisibility(), { signal });
  }

  async #onFeed(feed: MediaFeed, attempts: number): Promise<void> {
    const start = await this.#engines.for(feed.candidate.transport);
    if (this.#connector.feed !== feed) return;
    const now = performance.now();
    this.#viewing.beginSource();
    this.events.emit('swap', undefined);
    this.#swapping = true;
    this.#live?.playback.close();
    const edge = new LiveEdge(this.#options.lowLatency === false ? RELAXED : LOW_LATENCY, now);
    const playback = start(this.video, feed, ({ kind, message }) => this.#onBroken(kind, message));
    this.#live = { feed, playback, clock: clockOf(feed), edge };
    if (this.#lost) {
      const { at, code, node } = this.#lost;
      const toNode = feed.tags.info?.node ?? '';
      this.#reconnects += 1;
      this.events.emit('reconnect', { awayMs: (feed.firstByteAt ?? now) - at, attempts, code, fromNode: node, toNode });
      this.#lost = undefined;
    }
    if (this.#wantsPlay) void this.#startElement();
  }

  #onLoss(feed: MediaFeed, code: string): void {
    this.#lost ??= { at: performance.now(), code, node: feed.tags.info?.node ?? '' };
    this.#viewing.cause = code === 'silent' ? 'away' : 'reconnect';
  }

  #onOutage(outage: Outage, status: number | undefined): void {
    const seen = this.#start !== undefined;
    if (outage === 'refused')
      this.#fail('refused', 'PLAYER_REFUSED', 'The server does not let this viewer in.', status);
    else if (outage === 'not-found') {
      this.#viewing.cause = 'away';
      this.#trouble(seen ? 'away' : 'not-found', 'PLAYER_NOT_FOUND', 'There is no such stream at the moment.', status);
    } else if (outage === 'full') this.#trouble('full', 'PLAYER_FULL', 'The server takes no more viewers.', status);
    else if (!navigator.onLine) this.#trouble('offline', 'PLAYER_OFFLINE', 'This device has no network.', status);
    else this.#trouble('reconnecting', 'PLAYER_UNREACHABLE', 'No server answers.', status);
  }

  #onBroken(kind: 'unsupported' | 'broken', message: string): void {
    const now = performance.now();
    this.#brokenAt = [...this.#brokenAt.filter((at) => now - at < BROKEN_WITHIN_MS), now];
    const isUnsupported = kind === 'unsupported';
    const code = isUnsupported ? 'PLAYER_CODEC' : 'PLAYER_MEDIA';
    const feed = this.#live?.feed;
    if (feed) this.#onLoss(feed, isUnsupported ? 'codec' : 'media');
    if (isUnsupported || this.#brokenAt.length > BROKEN_AT_MOST) {
      // By FLV it can't be played here; perhaps by HLS.
      if (this.#connector.fallBack()) this.#brokenAt = [];
      else {
        this.#fail('unsupported', code, message, undefined);
        return;
      }
    } else {
      this.#connector.stop();
      this.#connector.start();
    }
    this.#problem({ code, message, status: undefined });
  }

  /** The rest of the player could not be fetched or cannot run here. */
  #onNoEngine(error: unknown): void {
    this.#fail('unsupported', 'PLAYER_ENGINE', error instanceof Error ? error.message : String(error), undefined);
  }

  #onFrame(at: number, first: boolean): void {
    if (!first) return;
    this.#shown = this.#live?.feed;
    this.#swapping = false;
    this.events.emit('picture', undefined);
    const feed = this.#live?.feed;
    if (this.#start || !feed) return;
    // Page to picture: from the navigation when the player was there from the start, else from the call.
    const origin = this.#attachedAt < 5_000 ? 0 : this.#attachedAt;
    const answeredAt = feed.answeredAt ?? feed.dialledAt;
    const firstByteAt = feed.firstByteAt ?? answeredAt;
    this.#start = {
      scriptMs: feed.dialledAt - origin,
      connectMs: answeredAt - feed.dialledAt,
      firstByteMs: firstByteAt - answeredAt,
      firstFrameMs: at - firstByteAt,
      totalMs: at - origin,
    };
    this.#become('playing');
    this.events.emit('started', this.#start);
  }

  #onPause(): void {
    // Taking the source away pauses the element as well; only a viewer's pause counts.
    if (this.#swapping || this.#state === 'closed') return;
    this.#wantsPlay = false;
    this.#pausedAt = performance.now();
    this.#viewing.flush(performance.now());
    this.#become('paused');
  }

  #onPlay(): void {
    // A source that was replaced plays again by itself: the viewer has watched all the time.
    if (this.#swapping) return;
    this.#pausedAt = undefined;
    this.#viewing.reset();
    if (!this.#wantsPlay) this.play();
  }

  #onVisibility(): void {
    this.#viewing.reset();
    if (document.hidden || !this.#wantsPlay) return;
    if (!this.#connector.feed) this.#connector.start();
    this.jumpToLive();
    void this.#startElement();
  }

  async #startElement(): Promise<void> {
    try {
      await this.video.play();
    } catch (error) {
      const blocked = error instanceof DOMException && error.name === 'NotAllowedError';
      if (!blocked || this.#state === 'closed') return;
      if (this.video.muted) {
        this.#wantsPlay = false;
        this.#become('paused');
        return;
      }
      this.video.muted = true;
      this.#wasMuted = true;
      this.events.emit('muted', undefined);
      await this.#startElement();
    }
  }

  #tick(): void {
    if (this.#state === 'closed') return;
    const now = performance.now();
    const bufferMs = this.#bufferMs();
    this.#viewing.tick(now, bufferMs);
    this.#connector.checkSilence();
    if (this.#pausedAt !== undefined && now - this.#pausedAt > PAUSE_KEEPS_MS) this.#letGo();
    const live = this.#live;
    // After a loss the picture comes back at the live edge at once; at the very start the first frame is worth more.
    const hasPicture = this.#swapping ? this.#start !== undefined && bufferMs > 0 : true;
    if (live && hasPicture && !this.video.paused) this.#chase(live, now, bufferMs);
    this.#judge(now);
  }

  #chase(live: Live, now: number, bufferMs: number): void {
    const { feed } = live;
    if (feed instanceof HlsFeed) {
      // hls.js keeps to the live edge by itself, by the same means.
      this.#delayMs = live.playback.delayMs ?? bufferMs;
      return;
    }
    const newest = feed.tags.newestTimestampMs;
    if (newest !== undefined) this.#delayMs = bufferMs + live.clock.lagMs(newest, now);
    if (feed.hasEnded) return;
    const { rate, jumpMs } = live.edge.step({ nowMs: now, bufferMs, gapMs: feed.takeLongestGapMs() });
    if (jumpMs > 0) this.video.currentTime += jumpMs / 1_000;
    if (rate !== this.video.playbackRate) {
      this.video.playbackRate = rate;
      this.events.emit('rate', { rate, delayMs: this.#delayMs ?? bufferMs });
    }
  }

  #judge(now: number): void {
    if (!this.#start) return;
    const { feed } = this.#connector;
    const verdict = verdictOf({
      state: this.#state,
      lateMs: this.#viewing.lateMs(now),
      silentMs: feed?.silentMs,
      swapping: this.#swapping,
      online: navigator.onLine,
    });
    if (verdict === 'away') this.#viewing.cause = 'away';
    this.#become(verdict);
  }

  /** A long pause: nothing is fetched that nobody sees. */
  #letGo(): void {
    if (!this.#connector.feed) return;
    this.#connector.stop();
  }

  #trouble(state: PlayerState, code: string, message: string, status: number | undefined): void {
    if (this.#state === 'paused' || this.#state === 'closed') return;
    if (this.#state !== state) this.#problem({ code, message, status });
    this.#become(state);
  }

  #fail(state: PlayerState, code: string, message: string, status: number | undefined): void {
    this.#connector.stop();
    this.#become(state);
    this.#problem({ code, message, status });
  }

  #problem(problem: PlayerProblem): void {
    this.events.emit('problem', problem);
  }

  #become(state: PlayerState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.events.emit('state', state);
  }

  #bufferMs(): number {
    const { buffered, currentTime } = this.video;
    return buffered.length === 0 ? 0 : Math.max(0, (buffered.end(buffered.length - 1) - currentTime) * 1_000);
  }
}
