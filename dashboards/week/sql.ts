/** Pieces of SQL that the generated week is made of: quoting, times, who is struck by an incident when, noise, one metric's value. */
import { createHash } from 'node:crypto';
import { METRICS, type MetricName } from '@weir/contracts/metrics';
import type { Incident, IncidentName } from './incidents.ts';

/** Incidents of a week by name. */
export type Incidents = ReadonlyMap<IncidentName, Incident>;

/** From `startMs` (inclusive) to `endMs` (exclusive), Unix times in ms. */
export interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

/** Points in time: every `stepSeconds` of each span; both ends are on the grid of the step. */
export interface WeekTimes {
  readonly stepSeconds: 5 | 60 | 300;
  readonly spans: readonly Span[];
}

/** A subquery with one column `t`, Unix seconds. */
export function timesSql({ stepSeconds, spans }: WeekTimes): string {
  const pairs = spans.map(({ startMs, endMs }) => `(${startMs / 1_000}, ${endMs / 1_000})`);
  return `(SELECT t FROM (SELECT arrayJoin([${pairs.join(', ')}]) AS span) ARRAY JOIN range(toUInt32(span.1), toUInt32(span.2), ${stepSeconds}) AS t)`;
}

/** A quoted SQL string. */
export function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

/** A time in SQL from `seconds`, Unix time in SQL. */
export function time64(seconds: string | number): string {
  return `toDateTime64(${seconds}, 3, 'UTC')`;
}

/** Columns of a row of `connection_events`, in the order in which viewers and publishers give them. */
export const CONNECTION_COLUMNS =
  'opened_at, connection_id, version, cluster, site, machine_id, node, role, protocol, app, stream, client_address, client_port, session_id, user_agent, closed_at, reason, bytes_in, bytes_queued, bytes_delivered, frames_dropped';

/** True in SQL while an incident lasts (for its node, where it has one). */
export function during(incidents: Incidents, name: IncidentName, nodeColumn = 'node'): string {
  const incident = incidents.get(name);
  if (!incident) return '0';
  const time = `t >= ${incident.startMs / 1000} AND t < ${incident.endMs / 1000}`;
  return incident.subject === '' ? `(${time})` : `(${time} AND ${nodeColumn} = ${quote(incident.subject)})`;
}

/** Uniform in -0.5..0.5, the same for the same node, time and salt. */
export const noise = (salt: number): string => `(sipHash64(node, t, ${salt}) % 10000 / 10000 - 0.5)`;

/** About normal with deviation 1. */
export const normal = (salt: number): string => `(2 * (${noise(salt)} + ${noise(salt + 1)} + ${noise(salt + 2)}))`;

/** One series of everybody who reports it. */
export interface Entry {
  readonly metric: MetricName;
  readonly attributes: Readonly<Record<string, string>>;
  /** Its value in SQL. Counters: per second; gauges: as they are. */
  readonly value: string;
}

/** An {@link Entry}. */
export function entry(metric: MetricName, attributes: Record<string, string>, value: string): Entry {
  return { metric, attributes, value };
}

/** How a value becomes that of a longer time: what grows from sample to sample is neither counter nor gauge, what is whole does not waver. */
export type Shape = 'gauge' | 'counter' | 'age' | 'whole';

/** The {@link Shape} of a metric. */
export function shapeOf(metric: MetricName): Shape {
  if (metric === 'process.uptime') return 'age';
  if (metric === 'live.relay.hops' || metric === 'live.node.weight') return 'whole';
  return METRICS[metric].kind === 'counter' ? 'counter' : 'gauge';
}

/**
 * Columns `value` and `metric`, `series_id`, `shape` of every entry, for ARRAY JOIN in a query that has `origin` (a hash of who
 * reports) besides. Only the values are computed for each point in time; what stands still is a constant.
 */
export function entryArrays(entries: readonly Entry[]): string {
  const list = (of: (entry: Entry) => string): string => entries.map(of).join(', ');
  return `values AS value,
  CAST([${list(({ metric }) => quote(metric))}], 'Array(LowCardinality(String))') AS metric,
  [${list((one) => `toUInt64(${hashOf(one)})`)}] AS series,
  CAST([${list(({ metric }) => quote(shapeOf(metric)))}], 'Array(Enum8(\\'gauge\\' = 0, \\'counter\\' = 1, \\'age\\' = 2, \\'whole\\' = 3))') AS shape`;
}

/** The values of {@link entryArrays}. */
export function entryValues(entries: readonly Entry[]): string {
  return `CAST([\n    ${entries.map(({ value }) => `toFloat64(${value})`).join(',\n    ')}], 'Array(Float64)')`;
}

/** What each entry is, for the table of series: the same order as {@link entryArrays}. */
export function entryDescriptions(entries: readonly Entry[]): string {
  const maps = entries.map(({ attributes }) => {
    const pairs = Object.entries(attributes).map(([key, text]) => `${quote(key)}, ${quote(text)}`);
    return pairs.length === 0 ? `CAST(map(), 'Map(String, String)')` : `map(${pairs.join(', ')})`;
  });
  return `[${maps.join(', ')}] AS attributes,
  [${entries.map(({ metric }) => quote(METRICS[metric].kind)).join(', ')}] AS kind,
  [${entries.map(({ metric }) => quote(METRICS[metric].unit)).join(', ')}] AS unit`;
}

/** The same 64 bits for the same metric and attributes, always. */
function hashOf({ metric, attributes }: Entry): bigint {
  return createHash('sha256')
    .update(JSON.stringify([metric, attributes]))
    .digest()
    .readBigUInt64BE();
}
