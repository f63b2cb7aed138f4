/** Pieces of SQL that the generated week is made of: quoting, who is struck by an incident when, noise, one metric's value. */
import { METRICS, type MetricName } from '@weir/contracts/metrics';
import type { Incident, IncidentName } from './incidents.ts';

/** Incidents of a week by name. */
export type Incidents = ReadonlyMap<IncidentName, Incident>;

/** A quoted SQL string. */
export function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

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

/** One value of a metric in SQL. Counters: per second; gauges: as they are. */
export function entry(metric: MetricName, attributes: Record<string, string>, value: string): string {
  const definition = METRICS[metric];
  const map = Object.entries(attributes)
    .map(([key, text]) => `${quote(key)}, ${quote(text)}`)
    .join(', ');
  const attributeMap = map === '' ? `CAST(map(), 'Map(String, String)')` : `map(${map})`;
  return `(${quote(metric)}, ${attributeMap}, ${quote(definition.kind)}, ${quote(definition.unit)}, toFloat64(${value}))`;
}

/** ClickHouse's type of a list of {@link entry}. */
export const ENTRY_TYPE =
  'Array(Tuple(metric String, attributes Map(String, String), kind String, unit String, value Float64))';
