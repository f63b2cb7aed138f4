/**
 * The types of `weir-player.js`, whole in one file without imports, so that it can be saved beside any page's code: options,
 * states, figures, events. The player's own parts are typed by it. Before it: what a page passes; after it: src/browser.
 */

/**
 * Plays a live stream in `video` until `close()`.
 * @throws TypeError when a URL is none.
 */
export function attachPlayer(video: HTMLVideoElement, options: AttachOptions): AttachedPlayer;

/** Application and name of a stream's URL, as in the measurements. */
export function streamOf(url: URL): { app: string; stream: string };

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

/** How media travels: `ws-flv` FLV in WebSocket messages, `http-flv` FLV in one endless response, `hls` playlists. */
export type Transport = 'ws-flv' | 'http-flv' | 'hls';

/**
 * What the player is doing:
 * - `connecting` first connection, no picture yet; `playing`; `paused` by the viewer
 * - `stalled` there was a picture, data is late; `reconnecting` the connection is gone, another is being made
 * - `not-found` no such stream (looked for again by itself); `away` its publisher left (the same)
 * - `full` the server has all the viewers it can take (tried again by itself)
 * - `offline` the device has no network; `refused` the edge does not let this viewer in (final)
 * - `unsupported` this browser cannot play it (final); `closed`
 */
export type PlayerState =
  | 'connecting'
  | 'playing'
  | 'paused'
  | 'stalled'
  | 'reconnecting'
  | 'not-found'
  | 'away'
  | 'full'
  | 'offline'
  | 'refused'
  | 'unsupported'
  | 'closed';

/** Options of the player without its surface. */
export interface PlaybackOptions {
  /**
   * The stream: `https://host/app/name`, or several that are tried in turn. The same name is asked again first, as DNS or
   * a load balancer may answer with another edge. A query (a signature, say) is kept.
   */
  url: string | readonly string[];
  /**
   * Default `auto`: WebSocket, then HTTP. HLS where the browser has no Media Source Extensions; when two rounds through all
   * URLs had no answer by FLV and there never was one (a network that lets none through); and when what comes by FLV
   * can't be played: its codec, or its media broke more than three times within a minute.
   */
  transport?: Transport | 'auto';
  /** Keep only as much buffer as the network's jitter needs. Default true; false keeps at least 1.5 s. */
  lowLatency?: boolean;
  /** Starts at once, muted if the browser insists. Default true. */
  autoplay?: boolean;
  /** Sent to the edge as `session`, so that its connection and the viewer's measurements join. */
  session?: string | undefined;
}

/** Options of the surface. */
export interface SurfaceOptions {
  /** Where the keys are heard: `player` (default) while it has the focus, `page` everywhere. */
  keys?: 'player' | 'page';
  /** The debug overlay is open from the start. */
  figures?: boolean;
}

/** Where measurements go, and whether. */
export interface MeasuringOptions {
  /** A Faro receiver: Weir's ingest (`https://…/faro/collect`) or Grafana's. Not needed with `faro`. */
  url?: string;
  /** Sent as `x-api-key`. */
  apiKey?: string;
  /** The page's own Faro, to measure with its session; it is left running at the end. */
  faro?: PageFaro;
  /** The viewer agrees. Default true; a page that must ask first passes false and calls `setConsent` later. */
  consent?: boolean;
  /** Share of sessions measured, 0 to 1. Default 1. */
  samplingRate?: number;
  /** Name of the page in the measurements. Default `weir-player`. */
  app?: string;
}

/** What is used of a `Faro` of `@grafana/faro-web-sdk`. */
export interface PageFaro {
  api: { getSession(): { id?: string; attributes?: Record<string, string> } | undefined };
  instrumentations: { add(...instrumentations: object[]): void };
}

/** Which edge serves the viewer, and what its clock said about the stream. */
export interface ServingEdge {
  /** Name of the edge. */
  node: string;
  /** Id of the viewer's connection there, as in SQL. */
  connection: string;
  /** The edge's clock when the connection began: Unix time, ms. */
  serverTimeMs: number;
  /** Timestamp of the stream's newest message at that moment, ms modulo 2^32; -1 when there was none. */
  timestampMs: number;
}

/** Parts of the time from page to picture, each since the one before. */
export interface StartTimes {
  /** Navigation (or {@link PlaybackOptions} handed over, when embedded later) to the first connection attempt. */
  scriptMs: number;
  /** Until the edge answered. */
  connectMs: number;
  /** Until the first byte of media. */
  firstByteMs: number;
  /** Until the first frame was on the screen. */
  firstFrameMs: number;
  totalMs: number;
}

/** One stall that ended. */
export interface Stall {
  /** Unix time, ms, at which the next frame was due. */
  startedAtMs: number;
  durationMs: number;
  /** Media buffered ahead one second before it began. */
  bufferBeforeMs: number;
  cause: 'buffer' | 'reconnect' | 'away';
  /** Whose frames were on the screen when it began: the stall is theirs, whoever ended it. */
  edge: ServingEdge | undefined;
}

/** One connection that was replaced. */
export interface Reconnect {
  /** Between the loss and the first byte of the next connection. */
  awayMs: number;
  attempts: number;
  /** Code of the loss. */
  code: string;
  fromNode: string;
  toNode: string;
}

/** A trouble the viewer or the log should know of. */
export interface PlayerProblem {
  /** `PLAYER_…` */
  code: string;
  message: string;
  /** HTTP status when there was one. */
  status: number | undefined;
}

/** Figures of this moment. */
export interface PlayerStats {
  state: PlayerState;
  transport: Transport | undefined;
  /** Host the media comes from. */
  host: string;
  /** What the edge said of itself; undefined for servers that say nothing and for HLS. */
  edge: ServingEdge | undefined;
  /** From the edge's newest frame to the one on the screen, ms; undefined before the first. */
  delayMs: number | undefined;
  bufferMs: number;
  /** Buffer the live-edge control aims at. */
  targetMs: number;
  rate: number;
  /** Of the last seconds, bits per second. */
  bitrate: number;
  framesDecoded: number;
  framesDropped: number;
  width: number;
  height: number;
  stalls: number;
  stalledMs: number;
  reconnects: number;
  watchedMs: number;
  start: StartTimes | undefined;
}

/** What {@link PlayerEvents} listeners are told. */
export interface PlayerEvents {
  state: PlayerState;
  started: StartTimes;
  stall: Stall;
  reconnect: Reconnect;
  rate: { rate: number; delayMs: number };
  problem: PlayerProblem;
  /** Sound was muted because the browser allows no other start. */
  muted: undefined;
}
