/** What the player's parts and its users agree on: options, states, figures and events. */
import type { ViewerInfo } from '@weir/contracts/viewer';

/** How media travels: `ws-flv` FLV in WebSocket messages, `http-flv` FLV in one endless response, `hls` playlists. */
export type Transport = 'ws-flv' | 'http-flv' | 'hls';

/**
 * - `connecting` first connection, no picture yet; `playing`; `paused` by the viewer
 * - `stalled` there was a picture, data is late; `reconnecting` the connection is gone, another is being made
 * - `not-found` no such stream (looked for again by itself); `away` its publisher left (the same)
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
  edge: ViewerInfo | undefined;
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
  edge: ViewerInfo | undefined;
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
