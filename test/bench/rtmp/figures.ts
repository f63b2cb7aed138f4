/** Small arithmetic of the benches. */

/** The middle value; undefined of none. */
export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

/** `a / b` with two decimals; undefined when either is missing. */
export function ratio(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined || b === 0 ? undefined : Number((a / b).toFixed(2));
}

/** Each value once, in order. */
export function distinct(values: readonly string[]): string[] {
  return [...new Set(values)];
}
