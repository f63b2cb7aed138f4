/**
 * The player without its surface: one live stream in one video element, over whatever happens to network, edge, publisher
 * and tab. Before it: options; after it: the surface and the measuring, which listen to it.
 */
import type {
  PlaybackOptions,
  PlayerEvents,
  PlayerState,
  PlayerStats,
  StartTimes,
  Transport,
} from '../../weir-player.d.ts';
import { Emitter } from './emitter.ts';
import { Engines, transportsFor } from './playback/engine.ts';
import type { PlaybackFailure } from './playback/flv-playback.ts';
import { Incoming } from './playback/incoming.ts';
import { LOW_LATENCY, RELAXED } from './playback/live-edge.ts';
import { Screen } from './playback/screen.ts';
import { startTimesOf } from './playback/start-times.ts';
import { canPlayFlv } from './playback/support.ts';
import { verdictOf } from './playback/verdict.ts';
import { Viewing } from './playback/viewing.ts';
import { candidatesOf } from './source/candidates.ts';
import { Connector } from './source/connector.ts';
import type { MediaFeed } from './source/feed.ts';
import { Losses } from './source/losses.ts';
import { Breakages, type Trouble, troubleOf, unsupported } from './trouble.ts';

const TICK_MS = 100;
/** A pause longer than this lets go of the connection. */
const PAUSE_KEEPS_MS = 15_000;

/** Plays from construction until `close()`. */
export class LivePlayer {
  readonly events = new Emitter<PlayerEvents & { swap: undefined; picture: undefined }>();
  readonly video: HTMLVideoElement;
  readonly #options: PlaybackOptions;
  readonly #connector: Connector;
  readonly #screen: Screen;
  readonly #viewing: Viewing;
  readonly #stop = new AbortController();
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #attachedAt: number;
  readonly #engines = new Engines();
  #state: PlayerState = 'connecting';
  #live: Incoming | undefined;
  /** Whose frame is on the screen. */
  #shown: MediaFeed | undefined;
  #wantsPlay: boolean;
  #swapping = false;
  #start: StartTimes | undefined;
  readonly #losses = new Losses();
  readonly #breakages = new Breakages();
  #pausedAt: number | undefined;
  #delayMs: number | undefined;

  /** @throws TypeError when a URL is none. */
  constructor(video: HTMLVideoElement, options: PlaybackOptions) {
    this.video = video;
    this.#options = options;
    this.#attachedAt = performance.now();
    this.#wantsPlay = options.autoplay !== false;
    this.#screen = new Screen(video, () => this.events.emit('muted', undefined));
    this.#viewing = new Viewing(video, {
      onFrame: (at, first) => this.#onFrame(at, first),
      onStall: (stall) => {
        this.#live?.edge.stalled();
        this.events.emit('stall', { ...stall, edge: this.#shown?.tags.info });
      },
    });
    const { transports, fallback } = transportsFor(options.transport ?? 'auto');
    const isHls = transports[0] === 'hls';
    this.#connector = this.#connectorFor(transports, fallback);
    this.#listen();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    if (isHls || canPlayFlv()) this.#connector.start();
    else this.#fail(unsupported('PLAYER_UNSUPPORTED', 'This browser cannot play live FLV.'));
    // While it connects. What cannot be fetched is told when it is needed.
    this.#engines.for(isHls ? 'hls' : 'ws-flv').catch(() => {});
  }

  get state(): PlayerState {
    return this.#state;
  }

  /** The browser allowed no start with sound. */
  get wasMuted(): boolean {
    return this.#screen.wasMuted;
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
    this.#live?.jumpToLive();
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
      bufferMs: this.#screen.bufferMs,
      targetMs: live?.edge.targetMs ?? 0,
      rate: this.video.playbackRate,
      bitrate: live?.feed.bitrate ?? 0,
      framesDecoded: decoded,
      framesDropped: dropped,
      width: this.video.videoWidth,
      height: this.video.videoHeight,
      stalls: this.#viewing.stalls,
      stalledMs: this.#viewing.stalledMs,
      reconnects: this.#losses.reconnects,
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
    this.#live?.close();
    this.#live = undefined;
    this.#screen.close();
    this.#viewing.close();
    this.events.clear();
  }

  #connectorFor(transports: readonly Transport[], fallback: readonly Transport[]): Connector {
    const { url, session } = this.#options;
    const urls = typeof url === 'string' ? [url] : url;
    const candidates = (some: readonly Transport[]) => candidatesOf(urls, some, session, location.href);
    return new Connector(candidates(transports), candidates(fallback), {
      onFeed: (feed, attempts) => void this.#onFeed(feed, attempts).catch((error) => this.#onNoEngine(error)),
      onLoss: (feed, code) => this.#onLoss(feed, code),
      onOutage: (outage, status) => {
        if (outage === 'not-found') this.#viewing.cause = 'away';
        const trouble = troubleOf(outage, status, this.#start !== undefined, navigator.onLine);
        if (outage === 'refused') this.#fail(trouble);
        else this.#trouble(trouble);
      },
    });
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
    this.#viewing.beginSource();
    this.events.emit('swap', undefined);
    this.#swapping = true;
    this.#live?.close();
    const playback = start(this.video, feed, (failure) => this.#onBroken(failure));
    const bounds = this.#options.lowLatency === false ? RELAXED : LOW_LATENCY;
    this.#live = new Incoming(feed, playback, this.#screen, bounds);
    const reconnect = this.#losses.found(feed, attempts);
    if (reconnect) this.events.emit('reconnect', reconnect);
    if (this.#wantsPlay) void this.#startElement();
  }

  #onLoss(feed: MediaFeed, code: string): void {
    this.#losses.lost(feed, code);
    this.#viewing.cause = code === 'silent' ? 'away' : 'reconnect';
  }

  #onBroken({ kind, message }: PlaybackFailure): void {
    const isUnsupported = kind === 'unsupported';
    const trouble = unsupported(isUnsupported ? 'PLAYER_CODEC' : 'PLAYER_MEDIA', message);
    const feed = this.#live?.feed;
    if (feed) this.#onLoss(feed, isUnsupported ? 'codec' : 'media');
    const isHopeless = this.#breakages.add(performance.now()) || isUnsupported;
    // By FLV it can't be played here; perhaps by HLS.
    if (isHopeless && !this.#connector.fallBack()) {
      this.#fail(trouble);
      return;
    }
    if (isHopeless) this.#breakages.forget();
    else {
      this.#connector.stop();
      this.#connector.start();
    }
    this.events.emit('problem', trouble.problem);
  }

  /** The rest of the player could not be fetched or cannot run here. */
  #onNoEngine(error: unknown): void {
    this.#fail(unsupported('PLAYER_ENGINE', error instanceof Error ? error.message : String(error)));
  }

  #onFrame(at: number, first: boolean): void {
    if (!first) return;
    this.#shown = this.#live?.feed;
    this.#swapping = false;
    this.events.emit('picture', undefined);
    const feed = this.#live?.feed;
    if (this.#start || !feed) return;
    this.#start = startTimesOf(feed, this.#attachedAt, at);
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
    if ((await this.#screen.start()) !== 'blocked') return;
    this.#wantsPlay = false;
    this.#become('paused');
  }

  #tick(): void {
    if (this.#state === 'closed') return;
    const now = performance.now();
    const { bufferMs } = this.#screen;
    this.#viewing.tick(now, bufferMs);
    this.#connector.checkSilence();
    // A long pause: nothing is fetched that nobody sees.
    const isLongPause = this.#pausedAt !== undefined && now - this.#pausedAt > PAUSE_KEEPS_MS;
    if (isLongPause && this.#connector.feed) this.#connector.stop();
    const live = this.#live;
    // After a loss the picture comes back at the live edge at once; at the very start the first frame is worth more.
    const hasPicture = this.#swapping ? this.#start !== undefined && bufferMs > 0 : true;
    if (live && hasPicture && !this.video.paused) {
      this.#delayMs = live.step(now, (rate, delayMs) => this.events.emit('rate', { rate, delayMs })) ?? this.#delayMs;
    }
    this.#judge(now);
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

  /** Something that may end by itself; told once. */
  #trouble({ state, problem }: Trouble): void {
    if (this.#state === 'paused' || this.#state === 'closed') return;
    if (this.#state !== state) this.events.emit('problem', problem);
    this.#become(state);
  }

  /** Something that does not end by itself. */
  #fail({ state, problem }: Trouble): void {
    this.#connector.stop();
    this.#become(state);
    this.events.emit('problem', problem);
  }

  #become(state: PlayerState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.events.emit('state', state);
  }
}
