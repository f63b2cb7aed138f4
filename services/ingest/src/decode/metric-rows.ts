/** Rows of `histogram_samples` and `metric_series` as JSON text. Before it: the decoder of metrics; after it: rows.ts. */
import type { HistogramPoint } from '@weir/contracts/otlp/metric-points';
import type { MetricEntry } from './resource-cache.ts';
import { jsonFloat, jsonTime } from './rows.ts';

/** What is stored of a histogram's point; deltas. */
export type HistogramFigures = Pick<HistogramPoint, 'count' | 'sum' | 'min' | 'max' | 'bounds' | 'counts'>;

type Owner = MetricEntry['owner'];

/** One point of a histogram, as JSON. @param id the series' number as decimal text; @param timeMs Unix time */
export function histogramRow(owner: Owner, id: string, timeMs: number, point: HistogramFigures): string {
  return (
    `{"time":${jsonTime(timeMs)},${ownerFields(owner)},"series_id":${id},"count":${exact(point.count)},"sum":${point.sum},` +
    `"min":${jsonFloat(point.min)},"max":${jsonFloat(point.max)},` +
    `"bounds":[${point.bounds.join()}],"counts":[${point.counts.map(exact).join()}]}`
  );
}

/** What a series is, as JSON. @param lastSeen a time as JSON */
export function seriesRow(
  { owner, kind, unit }: MetricEntry,
  id: string,
  attributes: Record<string, string>,
  lastSeen: string,
): string {
  return (
    `{"series_id":${id},${ownerFields(owner)},"kind":"${kind}","unit":${JSON.stringify(unit)},` +
    `"attributes":${JSON.stringify(attributes)},"last_seen":${lastSeen}}`
  );
}

/** A count as far as a number holds it: beyond 2^53 its decimal text could exceed a UInt64. */
function exact(count: number): number {
  return Math.min(count, Number.MAX_SAFE_INTEGER);
}

function ownerFields({ cluster, site, machineId, node, metric }: Owner): string {
  return (
    `"cluster":${JSON.stringify(cluster)},"site":${JSON.stringify(site)},` +
    `"machine_id":${JSON.stringify(machineId)},"node":${JSON.stringify(node)},"metric":${JSON.stringify(metric)}`
  );
}
