/**
 * The figures of the generated week as SQL: a family of series is what reporters of one kind have in common. One row per
 * reporter, point in time and series, computed by the engine, the same every time for the same end.
 */
import type { MetricName } from '@weir/contracts/metrics';
import { directorEntries, nameServerEntries } from './balancing.ts';
import { WEEK_CLUSTER } from './cluster.ts';
import { appEntries, ingestEntries, machineEntries, mediaEntries, processEntries, streamEntries } from './entries.ts';
import {
  during,
  type Entry,
  entryArrays,
  entryDescriptions,
  entryValues,
  type Incidents,
  quote,
  type WeekTimes,
} from './sql.ts';
import { appTable, nodeStates, shareTable } from './states.ts';

/** Series that reporters of one kind have in common. */
export interface Family {
  readonly entries: readonly Entry[];
  /** Who of week/states.ts reports them. */
  readonly where: string;
  /** `machine` reports without a node's name; `stream` and `app` once for each of them on an edge. */
  readonly of: 'machine' | 'node' | 'stream' | 'app';
}

/** All families, with the metrics that are asked for (all when none are). */
export function families(incidents: Incidents, metrics?: readonly MetricName[]): Family[] {
  const all: Family[] = [
    // edge-17 and edge-18 share a machine: one of them reports it
    { entries: machineEntries(), where: "node != 'edge-18'", of: 'machine' },
    { entries: processEntries(), where: '1', of: 'node' },
    { entries: mediaEntries(), where: "role IN ('edge', 'origin')", of: 'node' },
    { entries: ingestEntries(), where: "role = 'ingest'", of: 'node' },
    { entries: directorEntries(incidents), where: "startsWith(node, 'director-')", of: 'node' },
    { entries: nameServerEntries(incidents), where: "startsWith(node, 'dns-')", of: 'node' },
    { entries: streamEntries(), where: "role = 'edge'", of: 'stream' },
    { entries: appEntries(), where: "role = 'edge'", of: 'app' },
  ];
  return all
    .map((family) => ({ ...family, entries: family.entries.filter(({ metric }) => metrics?.includes(metric) ?? true) }))
    .filter(({ entries }) => entries.length > 0);
}

/** Rows `t, site, machine_id, node, metric, series_id, shape, value`; counters per second, gauges as they are. */
export function pointsSql(family: Family, times: WeekTimes, incidents: Incidents): string {
  return `SELECT t, site, machine_id, reporter AS node, metric, ${SERIES_ID} AS series_id, shape, value
FROM (
  SELECT t, site, machine_id, ${reporterSql(family)}, ${entryValues(family.entries)} AS values
  FROM ${reportersSql(family, times, incidents)}
) ARRAY JOIN ${entryArrays(family.entries)}`;
}

/** Rows of the table of series: `series_id, cluster, site, machine_id, node, metric, kind, unit, attributes`. */
export function seriesSql(family: Family, times: WeekTimes): string {
  const names = NAMES[family.of];
  const map = `map(${names.map((name) => `${quote(name)}, ${name}`).join(', ')})`;
  const attributes = names.length > 0 ? `mapConcat(${map}, attributes)` : 'attributes';
  return `SELECT ${SERIES_ID} AS series_id, ${quote(WEEK_CLUSTER)} AS cluster, site, machine_id, reporter AS node, metric, kind, unit, ${attributes} AS attributes
FROM (
  SELECT t, site, machine_id, ${names.map((name) => `${name}, `).join('')}${reporterSql(family)}, ${entryValues(family.entries)} AS values
  FROM ${reportersSql(family, times, new Map())}
) ARRAY JOIN ${entryArrays(family.entries)}, ${entryDescriptions(family.entries)}`;
}

const SERIES_ID = 'intHash64(bitXor(origin, series))';

/** Attributes of all series of a family that tell its reporters apart. */
const NAMES: Readonly<Record<Family['of'], readonly string[]>> = {
  machine: [],
  node: [],
  stream: ['app', 'stream'],
  app: ['app'],
};

function reporterSql({ of }: Family): string {
  const reporter = of === 'machine' ? "''" : 'node';
  const who = [quote(WEEK_CLUSTER), 'machine_id', 'reporter', ...NAMES[of]];
  return `${reporter} AS reporter, cityHash64(${who.join(', ')}) AS origin`;
}

function reportersSql({ of, where }: Family, times: WeekTimes, incidents: Incidents): string {
  const states = `(SELECT * FROM (${nodeStates(times, incidents)}) WHERE ${where})`;
  if (of === 'app') return `(SELECT * FROM ${states} AS n INNER JOIN ${appTable()} AS a ON a.node = n.node)`;
  if (of !== 'stream') return states;
  const name = "concat(app, '/', stream)";
  const orphaned = during(incidents, 'stream-orphaned', name);
  const flapping = during(incidents, 'publisher-flapping', name);
  return `(SELECT *, if(${orphaned}, 0, if(${flapping}, 0.6, 1)) AS flow FROM ${states} AS n INNER JOIN ${shareTable()} AS s ON s.node = n.node)`;
}
