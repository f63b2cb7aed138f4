/**
 * Fills a store with a week of the life of a 20-node cluster: everything by INSERT … SELECT in the engine. Raw samples
 * around the beginning of the incidents and in the last hour, one-minute rows for the rest; the materialized views do the rollups.
 */
import type { MetricName } from '@weir/contracts/metrics';
import { WEEK_CLUSTER, weekNodes } from './cluster.ts';
import { insertEvents } from './events.ts';
import { type Incident, type IncidentName, plantIncidents } from './incidents.ts';
import { nodePoints, type PointRange, SERIES_ID, streamPoints } from './points.ts';
import { quote } from './sql.ts';
import { insertViewers } from './viewers.ts';

/** Runs one statement that returns nothing. */
export type Execute = (sql: string) => Promise<void>;

/** What to fill. */
export interface WeekOptions {
  readonly execute: Execute;
  /** Migrated database, e.g. `weir`. */
  readonly database: string;
  /** End of the week, Unix time in ms; cut to the whole minute. */
  readonly endMs: number;
  /** A quiet week has none of the incidents, and no connections of single viewers. */
  readonly quiet?: boolean;
  /** Only these metrics; all when missing. */
  readonly metrics?: readonly MetricName[];
}

/** What was made. */
export interface Week {
  readonly startMs: number;
  readonly endMs: number;
  readonly incidents: ReadonlyMap<IncidentName, Incident>;
}

const MINUTE_MS = 60_000;
const WEEK_MS = 7 * 24 * 60 * MINUTE_MS;
/** Raw samples from so long before an incident to so long after it began. */
const BEFORE_MS = 4 * MINUTE_MS;
const AFTER_MS = 7 * MINUTE_MS;
const LIVE_MS = 65 * MINUTE_MS;

/** Generates the week. A migrated, empty database is expected: running it twice counts twice. */
export async function generateWeek(options: WeekOptions): Promise<Week> {
  const endMs = Math.floor(options.endMs / MINUTE_MS) * MINUTE_MS;
  const startMs = endMs - WEEK_MS;
  const incidents = options.quiet ? new Map<IncidentName, Incident>() : plantIncidents(endMs);
  const week: Week = { startMs, endMs, incidents };
  const { execute, database } = options;
  await execute(insertSeries(database, week));
  for (const range of splitWeek(week)) {
    for (const points of [nodePoints, streamPoints])
      await execute(insertPoints(options, points(range, incidents), range));
  }
  await insertEvents({ execute, database, week });
  await insertViewers({ execute, database, week });
  await insertInventory(execute, database, week);
  return week;
}

/** Windows of raw samples and of one-minute rows that together cover the week once. */
export function splitWeek(week: Week): PointRange[] {
  const raw = [...week.incidents.values()]
    .filter(({ coarse }) => !coarse)
    .map(({ startMs }) => ({ startMs: startMs - BEFORE_MS, endMs: startMs + AFTER_MS }))
    .concat({ startMs: week.endMs - LIVE_MS, endMs: week.endMs })
    .sort((a, b) => a.startMs - b.startMs);
  const ranges: PointRange[] = [];
  let at = week.startMs;
  for (const window of raw) {
    if (window.startMs > at) ranges.push({ startMs: at, endMs: window.startMs, stepSeconds: 60 });
    ranges.push({ ...window, startMs: Math.max(at, window.startMs), stepSeconds: 5 });
    at = window.endMs;
  }
  return ranges;
}

function insertPoints({ database, metrics }: WeekOptions, points: string, range: PointRange): string {
  const settings =
    'SETTINGS max_insert_threads = 1, max_block_size = 8192, min_insert_block_size_rows = 2000000, max_partitions_per_insert_block = 0';
  const only = metrics ? ` WHERE metric IN (${metrics.map(quote).join(', ')})` : '';
  const from = `FROM (${points})${only}`;
  if (range.stepSeconds === 5) {
    return `INSERT INTO ${database}.metric_samples (time, cluster, site, machine_id, node, metric, series_id, value)
SELECT toDateTime64(t, 3, 'UTC'), ${quote(WEEK_CLUSTER)}, site, machine_id, node, metric, ${SERIES_ID}, if(kind = 'counter', value * 5, value) ${from} ${settings}`;
  }
  return `INSERT INTO ${database}.metric_1m (time, cluster, site, machine_id, node, metric, series_id, count, sum, min, max, last)
SELECT toDateTime(t, 'UTC'), ${quote(WEEK_CLUSTER)}, site, machine_id, node, metric, ${SERIES_ID}, 12,
  if(kind = 'counter', value * 60, value * 12), multiIf(kind = 'counter', value * 4.6, metric = 'process.uptime', value, value * 0.98), multiIf(kind = 'counter', value * 5.4, metric = 'process.uptime', value + 55, value * 1.02),
  initializeAggregation('argMaxState', value, toDateTime64(t + 55, 3, 'UTC')) ${from} ${settings}`;
}

/** What each series is, from one point in time at which everybody is alive. */
function insertSeries(database: string, week: Week): string {
  const range: PointRange = { startMs: week.startMs, endMs: week.startMs + 5_000, stepSeconds: 5 };
  const none = new Map<IncidentName, Incident>();
  return `INSERT INTO ${database}.metric_series
SELECT ${SERIES_ID}, ${quote(WEEK_CLUSTER)}, site, machine_id, node, metric, kind, unit, attributes, toDateTime64(${week.endMs / 1000}, 3, 'UTC')
FROM (${nodePoints(range, none)} UNION ALL ${streamPoints(range, none)})`;
}

async function insertInventory(execute: Execute, database: string, week: Week): Promise<void> {
  const start = `toDateTime64(${week.startMs / 1000}, 3, 'UTC')`;
  const end = `toDateTime64(${week.endMs / 1000}, 3, 'UTC')`;
  for (const time of [start, end]) {
    for (const node of weekNodes()) {
      await execute(
        `INSERT INTO ${database}.node_reports VALUES (${time}, ${quote(WEEK_CLUSTER)}, ${quote(node.site)}, ${quote(node.machineId)}, ${quote(node.node)}, ${quote(node.role)}, '0.1.0', ${1000 + node.index}, map())`,
      );
      if (node.node === 'edge-18') continue;
      await execute(
        `INSERT INTO ${database}.machine_reports VALUES (${time}, ${quote(WEEK_CLUSTER)}, ${quote(node.site)}, ${quote(node.machineId)}, ${quote(`${node.node}.example`)}, 'x86_64', 'Debian GNU/Linux 12', '6.1.0', ['AMD EPYC 7402'], 8, 17179869184, [('eth0', '02:00:00:00:00:${String(node.index).padStart(2, '0')}', ['192.0.2.${node.index + 1}'], ${node.cardBits})], map())`,
      );
    }
  }
  // A node that was taken away for good as the week began: it is silent, and nobody is to be woken for it.
  const gone = `toDateTime64(${(week.startMs + MINUTE_MS) / 1000}, 3, 'UTC')`;
  for (const time of [start, gone]) {
    await execute(
      `INSERT INTO ${database}.node_reports VALUES (${time}, ${quote(WEEK_CLUSTER)}, 'ams', 'm-edge-99', 'edge-99', 'edge', '0.0.9', 99, map())`,
    );
  }
  await execute(
    `INSERT INTO ${database}.node_marks VALUES (${gone}, ${quote(WEEK_CLUSTER)}, 'edge-99', 'retired', 'replaced by edge-18')`,
  );
  const drain = week.incidents.get('drain');
  if (!drain) return;
  await execute(
    `INSERT INTO ${database}.node_marks VALUES (toDateTime64(${drain.startMs / 1000 - 30}, 3, 'UTC'), ${quote(WEEK_CLUSTER)}, 'edge-18', 'draining', 'kernel update'),
(toDateTime64(${drain.endMs / 1000}, 3, 'UTC'), ${quote(WEEK_CLUSTER)}, 'edge-18', 'serving', 'started')`,
  );
}
