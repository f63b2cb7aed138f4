/** How long the node may collect messages before it writes them: by viewers and by how busy the loop is. For the merge clock. */

/** Bounds of the window; equal = fixed. */
export interface MergeWindow {
  minMs: number;
  maxMs: number;
}

/** Writes a second the node spends on fan-out before it merges more. About 5 % of a core. */
const WRITES_PER_SECOND = 5_000;
/** Loop utilisation above which the window grows whatever the viewers, and below which it may shrink. */
const BUSY = 0.75;
const CALM = 0.6;

/** What the window is chosen by. */
export interface WindowLoad extends MergeWindow {
  /** The window in force. */
  nowMs: number;
  viewers: number;
  /** Writes of the last second if every message had been written to every viewer at once. */
  writesAtOnce: number;
  /** Share of the last second in which the loop was busy. */
  busy: number;
}

/** The next window, ms. Moves only when it pays (a quarter), so that the grid stays put under a steady load. */
export function adaptWindow(load: WindowLoad): number {
  const { nowMs, viewers, writesAtOnce, busy, minMs, maxMs } = load;
  let wanted = writesAtOnce <= WRITES_PER_SECOND ? 0 : (viewers * 1_000) / WRITES_PER_SECOND;
  if (busy > BUSY) wanted = Math.max(wanted, nowMs * 1.5, 20);
  else if (busy > CALM) wanted = Math.max(wanted, nowMs);
  const next = Math.round(Math.min(maxMs, Math.max(minMs, wanted)));
  if (next === minMs || next === maxMs) return next;
  return next > nowMs * 1.25 || next < nowMs * 0.75 ? next : nowMs;
}
