/** What a batch was made of and what was left out, by reason. Before it: the decoders; after it: ingest's own metrics. */

/**
 * Why a point or record was left out: outside of the time window; NaN or infinite; without a value; name or attributes
 * beyond their bounds; a temporality that can't be added up yet; a kind of metric that isn't stored yet; more items in a
 * browser's payload than are taken, or such that are none; the first point of a cumulative series, which only says where
 * it begins, and one not newer than the last; a series beyond those a node may have.
 */
export type SkipReason =
  | 'time'
  | 'not-finite'
  | 'empty'
  | 'name'
  | 'attributes'
  | 'temporality'
  | 'unsupported'
  | 'items'
  | 'first'
  | 'old'
  | 'cardinality';

/** Counters of one batch. */
export class DecodeCounts {
  readonly skipped = new Map<SkipReason, number>();
  /** Connection or fail-over events with broken fields, kept as plain logs. */
  brokenEvents = 0;

  skip(reason: SkipReason, count: number): void {
    if (count > 0) this.skipped.set(reason, (this.skipped.get(reason) ?? 0) + count);
  }

  clear(): void {
    this.skipped.clear();
    this.brokenEvents = 0;
  }
}
