/** Ticks on the grid of the UTC clock (every 5 s: :00, :05, …), so that the samples of all machines line up. */

/** A running grid. */
export interface UtcGrid {
  stop(): void;
}

/**
 * Calls `onTick` with the Unix time (ms, a multiple of `intervalMs`) of each grid line, never before it. A line that
 * was missed (the process was busy or stopped) is skipped, not made up for, and counted in `missed` of the next call; a
 * clock that was set back a little does not give a line twice.
 */
export function startUtcGrid(intervalMs: number, onTick: (tickMs: number, missed: number) => void): UtcGrid {
  let timer: NodeJS.Timeout;
  let lastTickMs = Number.NEGATIVE_INFINITY;
  const arm = () => {
    const nowMs = Date.now();
    let nextMs = Math.floor(nowMs / intervalMs) * intervalMs + intervalMs;
    const wasSetBackALittle = nextMs <= lastTickMs && lastTickMs - nextMs < intervalMs;
    if (wasSetBackALittle) nextMs = lastTickMs + intervalMs;
    timer = setTimeout(fire, nextMs - nowMs, nextMs).unref();
  };
  const fire = (dueMs: number) => {
    const nowMs = Date.now();
    // timers may fire a little before the wall clock is there
    if (nowMs < dueMs && dueMs - nowMs < intervalMs) {
      timer = setTimeout(fire, dueMs - nowMs, dueMs).unref();
      return;
    }
    const tickMs = Math.floor(nowMs / intervalMs) * intervalMs;
    const firstDueMs = Number.isFinite(lastTickMs) ? lastTickMs + intervalMs : dueMs;
    lastTickMs = tickMs;
    onTick(tickMs, Math.max(0, (tickMs - firstDueMs) / intervalMs));
    arm();
  };
  arm();
  return { stop: () => clearTimeout(timer) };
}
