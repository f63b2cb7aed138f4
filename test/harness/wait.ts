/**
 * Waiting on conditions: the only way tests wait. One loop; {@link waitFor} for what is there or not yet, {@link eventually}
 * for an answer that is to become good and is shown when it does not.
 */

/** How long and how often to look. */
export interface WaitOptions {
  timeoutMs?: number;
  everyMs?: number;
}

/**
 * Looks until `look` gives something other than undefined, null or false, and resolves with it.
 * Errors of `look` count as "not yet"; the last one is the cause of the rejection when time is up.
 */
export async function waitFor<T>(
  what: string,
  look: () => T | Promise<T>,
  { timeoutMs = 30_000, everyMs = 50 }: WaitOptions = {},
): Promise<Exclude<Awaited<T>, undefined | null | false>> {
  const isThere = (value: Awaited<T>) => value !== undefined && value !== null && value !== false;
  const { value, isGood, error } = await lookUntil(look, isThere, timeoutMs, everyMs);
  if (!isGood) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`, { cause: error });
  return value as Exclude<Awaited<T>, undefined | null | false>;
}

/**
 * Asks until the answer is good and returns it; questions that fail are asked again.
 * @throws Error with the last answer or failure when the time is up.
 */
export async function eventually<T>(
  ask: () => Promise<T>,
  isGood: (answer: Awaited<T>) => boolean,
  timeoutMs = 60_000,
  wanted = '',
): Promise<Awaited<T>> {
  const last = await lookUntil(ask, isGood, timeoutMs, 50);
  if (last.isGood) return last.value as Awaited<T>;
  const shown = last.error instanceof Error ? last.error.message : JSON.stringify(last.value);
  throw new Error(`Not within ${timeoutMs} ms${wanted === '' ? '' : ` (wanted ${wanted})`}: ${shown}`);
}

/** The first good answer, else the last one or the error in its place. */
async function lookUntil<T>(
  ask: () => T | Promise<T>,
  isGood: (answer: Awaited<T>) => boolean,
  timeoutMs: number,
  everyMs: number,
): Promise<{ isGood: boolean; value?: Awaited<T>; error?: unknown }> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    let last: { isGood: boolean; value?: Awaited<T>; error?: unknown };
    try {
      const value = await ask();
      last = { isGood: isGood(value), value };
    } catch (error) {
      last = { isGood: false, error };
    }
    if (last.isGood || performance.now() > end) return last;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
