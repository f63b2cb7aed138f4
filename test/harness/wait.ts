/** Waiting on conditions: the only way tests wait. */

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
  const end = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await look();
      if (value !== undefined && value !== null && value !== false) {
        return value as Exclude<Awaited<T>, undefined | null | false>;
      }
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
