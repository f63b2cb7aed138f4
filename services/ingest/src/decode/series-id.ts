/**
 * The identity of a series: the first 64 bits of SHA-256 over who, what and the sorted attributes; the same on every
 * copy and for ever. Two of n series share an id with probability n² / 2^65: 3 in 100 million for a million series,
 * and nobody can make them collide on purpose. It is worked out once per series and copy (a few µs), then cached.
 */
import { hash } from 'node:crypto';
import type { Identity } from './identity.ts';

/** A UInt64 in two unsigned halves. */
export interface SeriesId {
  readonly low: number;
  readonly high: number;
}

/** Id of a series; `attributes` in any order. Part of the data's format: changing it splits every series in two. */
export function seriesId(owner: Identity, metric: string, attributes: Readonly<Record<string, string>>): SeriesId {
  const pairs = Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1));
  const canonical = JSON.stringify([owner.cluster, owner.site, owner.machineId, owner.node, metric, pairs]);
  const digest = hash('sha256', canonical, 'buffer');
  return { low: digest.readUInt32LE(0), high: digest.readUInt32LE(4) };
}

/** Decimal text of a UInt64, for JSON rows. */
export function seriesIdText(id: SeriesId): string {
  return String((BigInt(id.high) << 32n) | BigInt(id.low));
}
