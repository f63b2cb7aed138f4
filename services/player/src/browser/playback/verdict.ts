/**
 * What a viewer who has had a picture is told now, out of frames, feed and network. Pure; the player asks ten times a second.
 */
import type { PlayerState } from '../../../weir-player.d.ts';

/** What is known at a moment. */
export interface Situation {
  state: PlayerState;
  /** How late the next frame is, ms. */
  lateMs: number;
  /** Since the newest byte of the feed in use, ms; undefined without a feed. */
  silentMs: number | undefined;
  /** A new source is being made ready behind the last picture. */
  swapping: boolean;
  online: boolean;
}

/** A frame so much later than due is shown as a stall. */
const STALL_SHOWN_MS = 400;
/** A connection that is open but silent for so long: the publisher is away. */
const AWAY_MS = 3_000;
/** These end by what the viewer does, if at all. */
const LASTING: ReadonlySet<PlayerState> = new Set(['paused', 'refused', 'unsupported', 'closed']);

/** The state from now on. */
export function verdictOf({ state, lateMs, silentMs, swapping, online }: Situation): PlayerState {
  if (LASTING.has(state)) return state;
  const hasFeed = silentMs !== undefined;
  if (lateMs <= STALL_SHOWN_MS) return hasFeed && !swapping ? 'playing' : state;
  if (!online && (!hasFeed || silentMs > STALL_SHOWN_MS)) return 'offline';
  if (!hasFeed) return state === 'playing' || state === 'stalled' ? 'reconnecting' : state;
  if (silentMs > AWAY_MS) return 'away';
  return state === 'away' ? state : 'stalled';
}
