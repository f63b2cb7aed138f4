/** Percentiles of what many viewers measured. */

/** Of one figure over all viewers. Zero everywhere when there were none. */
export interface Distribution {
  min: number;
  p5: number;
  p50: number;
  p95: number;
  max: number;
}

/** Nearest-rank percentiles, rounded to `decimals`. */
export function distribution(values: readonly number[], decimals = 1): Distribution {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => {
    const value = sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? 0;
    return Number(value.toFixed(decimals));
  };
  return { min: at(0), p5: at(0.05), p50: at(0.5), p95: at(0.95), max: at(1) };
}
