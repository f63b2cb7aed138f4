/**
 * What this copy remembers of resources and their series, so that each is decoded and hashed once. A cache only: it
 * changes how fast a batch is decoded and which series are described again, never what a sample becomes.
 * Before it: raw resource bytes; after it: the decoders of metrics and logs.
 */

import { metricScope } from '@weir/contracts/metrics';
import type { MetricHead } from '@weir/contracts/otlp/metric-points';
import { type IdentityDefaults, type ResourceFacts, readResource } from './identity.ts';
import type { SampleOwner } from './sample-columns.ts';
import { SeriesIndex } from './series-index.ts';

/** Bounds: about 100 bytes a series and 10 kB a resource. The least recently used resources go first. */
const MAX_RESOURCES = 10_000;
const MAX_SERIES = 500_000;
/** A single resource beyond these starts anew with an empty index. */
const MAX_SERIES_PER_RESOURCE = 100_000;
const MAX_METRICS_PER_RESOURCE = 10_000;

/** How long a described series stays admitted; as long as it is not described again. */
const ADMISSION_MS = 3_600_000;

/** Kind of a metric as it stands in `metric_series`; `change`: what a level changed by, adds up and may be negative. */
export type SeriesKind = 'counter' | 'change' | 'up-down-counter' | 'gauge' | 'histogram';

/** One metric of one resource. */
export interface MetricEntry {
  /** Number within the resource, for {@link SeriesIndex}. */
  readonly number: number;
  readonly kind: SeriesKind;
  readonly unit: string;
  readonly owner: SampleOwner;
}

/** One distinct resource. */
export interface ResourceEntry {
  readonly facts: ResourceFacts;
  readonly series: SeriesIndex;
  readonly metrics: Map<string, MetricEntry[]>;
  metricCount: number;
}

/** Resources by their raw bytes. */
export class ResourceCache {
  /** What is taken for what a resource does not say. */
  readonly defaults: IdentityDefaults;
  readonly #entries = new Map<string, ResourceEntry>();
  readonly #seriesPerNode: number;
  /** Series described of each node in the present hour of its messages. */
  readonly #admitted = new Map<string, { sinceMs: number; count: number; refused: number }>();
  #seriesCount = 0;

  /** @param seriesPerNode distinct series of one node an hour at most; 0 = no limit. */
  constructor(defaults: IdentityDefaults, seriesPerNode = 0) {
    this.defaults = defaults;
    this.#seriesPerNode = seriesPerNode;
  }

  /**
   * Whether one more series of `node` may be described; a described one is not asked for again for an hour. Who goes over
   * the limit loses its own further series, for an hour; others are not touched.
   */
  admit(node: string, storedAtMs: number): boolean {
    if (this.#seriesPerNode === 0) return true;
    let state = this.#admitted.get(node);
    if (!state || storedAtMs - state.sinceMs >= ADMISSION_MS) {
      state = { sinceMs: storedAtMs, count: 0, refused: 0 };
      this.#admitted.set(node, state);
    }
    if (state.count >= this.#seriesPerNode) {
      state.refused++;
      return false;
    }
    state.count++;
    return true;
  }

  /** Nodes that went over the limit since this was asked last, with how many points were left out. */
  takeRefused(): { node: string; points: number }[] {
    const refused: { node: string; points: number }[] = [];
    for (const [node, state] of this.#admitted) {
      if (state.refused > 0) refused.push({ node, points: state.refused });
      state.refused = 0;
    }
    return refused;
  }

  /** Series remembered at the last look. */
  get seriesCount(): number {
    return this.#seriesCount;
  }

  /**
   * The entry of a resource.
   * @throws OtlpError when its bytes are broken.
   */
  get(bytes: Buffer): ResourceEntry {
    const key = bytes.toString('latin1');
    let entry = this.#entries.get(key);
    if (entry) this.#entries.delete(key);
    if (!entry || isTooLarge(entry)) {
      entry = {
        facts: readResource(bytes, this.defaults),
        series: new SeriesIndex(),
        metrics: new Map(),
        metricCount: 0,
      };
    }
    this.#entries.set(key, entry);
    return entry;
  }

  /** Keeps the cache within its bounds; called between batches. */
  trim(): void {
    let series = 0;
    for (const entry of this.#entries.values()) series += entry.series.size;
    for (const [key, entry] of this.#entries) {
      if (series <= MAX_SERIES && this.#entries.size <= MAX_RESOURCES) break;
      this.#entries.delete(key);
      series -= entry.series.size;
    }
    this.#seriesCount = series;
    if (this.#admitted.size > 2 * MAX_RESOURCES) this.#admitted.clear();
  }

  /** Makes all series be described again: rows that said what they are may not have been written. */
  forgetAnnouncements(): void {
    // all are described again, so all are admitted again
    this.#admitted.clear();
    for (const entry of this.#entries.values()) entry.series.forgetAnnouncements();
  }
}

/** The metric `head` of `resource` as `kind`, remembered for the next time. */
export function metricOf(resource: ResourceEntry, head: MetricHead, kind: SeriesKind): MetricEntry {
  const sameName = resource.metrics.get(head.name) ?? [];
  for (const entry of sameName) if (entry.kind === kind && entry.unit === head.unit) return entry;
  const { cluster, site, machineId, node } = resource.facts.identity;
  // a machine that is not known by its id must not share figures with others that are not
  const isMachines = machineId !== '' && metricScope(head.name) === 'machine';
  const owner = { cluster, site, machineId, node: isMachines ? '' : node, metric: head.name };
  const entry = { number: resource.metricCount++, kind, unit: head.unit, owner };
  sameName.push(entry);
  if (sameName.length === 1) resource.metrics.set(head.name, sameName);
  return entry;
}

function isTooLarge(entry: ResourceEntry): boolean {
  return entry.series.size > MAX_SERIES_PER_RESOURCE || entry.metricCount > MAX_METRICS_PER_RESOURCE;
}
