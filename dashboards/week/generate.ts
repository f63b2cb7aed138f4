/**
 * Fills a store with a week of the life of a 20-node cluster: everything by INSERT … SELECT in the engine, a few statements at
 * a time. Raw samples around the beginning of the incidents and in the last hour, one-minute rows for the rest; the
 * materialized views do the rollups.
 */
import type { MetricName } from '@weir/contracts/metrics';
import { changeFigures } from './changes.ts';
import { WEEK_CLUSTER, weekNodes } from './cluster.ts';
import { eventStatements } from './events.ts';
import { type Incident, type IncidentName, plantIncidents } from './incidents.ts';
import { type Family, families, pointsSql, seriesSql } from './points.ts';
import { quote, type Span, time64, type WeekTimes } from './sql.ts';
import { measurementStatements, viewerRowStatements } from './viewers.ts';

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

/** Which week goes where. */
export interface EventOptions {
  readonly database: string;
  readonly week: Week;
}

const MINUTE_MS = 60_000;
const WEEK_MS = 7 * 24 * 60 * MINUTE_MS;
/** Raw samples from so long before an incident to so long after it began. */
const BEFORE_MS = 4 * MINUTE_MS;
const AFTER_MS = 7 * MINUTE_MS;
const LIVE_MS = 65 * MINUTE_MS;
/** Statements that run at once: one leaves a core idle while it sorts and writes. */
const AT_ONCE = 2;

/** Generates the week. A migrated, empty database is expected: running it twice counts twice. */
export async function generateWeek(options: WeekOptions): Promise<Week> {
  const endMs = Math.floor(options.endMs / MINUTE_MS) * MINUTE_MS;
  const startMs = endMs - WEEK_MS;
  const incidents = options.quiet ? new Map<IncidentName, Incident>() : plantIncidents(endMs);
  const week: Week = { startMs, endMs, incidents };
  const { execute, database } = options;
  const all = families(incidents, options.metrics);
  const { raw, minutes } = splitWeek(week);
  for (const family of all) await execute(insertSeries(database, week, family));
  const place = { database, week };
  await executeAll(execute, [
    ...eventStatements(place),
    ...all.flatMap((family) => [
      insertMinutes(database, pointsSql(family, minutes, incidents)),
      insertSamples(database, pointsSql(family, raw, incidents)),
    ]),
    ...viewerRowStatements(place),
  ]);
  await executeAll(execute, [...measurementStatements(place), ...inventoryStatements(place)]);
  if (!options.metrics) for (const sql of changeFigures(place)) await execute(sql);
  return week;
}

/** Runs the statements, {@link AT_ONCE} at a time, in their order. */
async function executeAll(execute: Execute, statements: readonly string[]): Promise<void> {
  const left = statements.values();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const sql of left) await execute(sql);
    }),
  );
}

/** Times of raw samples and of one-minute rows, which together cover the week once. */
export function splitWeek(week: Week): { raw: WeekTimes; minutes: WeekTimes } {
  const windows = [...week.incidents.values()]
    .filter(({ coarse }) => !coarse)
    .map(({ startMs }) => ({ startMs: startMs - BEFORE_MS, endMs: startMs + AFTER_MS }))
    .concat({ startMs: week.endMs - LIVE_MS, endMs: week.endMs })
    .sort((a, b) => a.startMs - b.startMs);
  const raw: Span[] = [];
  const minutes: Span[] = [];
  let at = week.startMs;
  for (const { startMs, endMs } of windows) {
    if (startMs > at) minutes.push({ startMs: at, endMs: startMs });
    raw.push({ startMs: Math.max(at, startMs), endMs });
    at = endMs;
  }
  return { raw: { stepSeconds: 5, spans: raw }, minutes: { stepSeconds: 60, spans: minutes } };
}

/**
 * Every row is there once, so the engine need not look for equal ones while it inserts; large blocks make few parts, and few
 * parts little to merge afterwards.
 */
const SETTINGS =
  'SETTINGS max_insert_threads = 1, min_insert_block_size_rows = 1000000, min_insert_block_size_bytes = 0, optimize_on_insert = 0, max_partitions_per_insert_block = 0';

function insertSamples(database: string, points: string): string {
  return `INSERT INTO ${database}.metric_samples (time, cluster, site, machine_id, node, metric, series_id, value)
SELECT toDateTime64(t, 3, 'UTC'), ${quote(WEEK_CLUSTER)}, site, machine_id, node, metric, series_id, if(shape = 'counter', value * 5, value) FROM (${points}) ${SETTINGS}`;
}

function insertMinutes(database: string, points: string): string {
  return `INSERT INTO ${database}.metric_1m (time, cluster, site, machine_id, node, metric, series_id, count, sum, min, max, last)
SELECT toDateTime(t, 'UTC'), ${quote(WEEK_CLUSTER)}, site, machine_id, node, metric, series_id, 12, if(shape = 'counter', value * 60, value * 12),
  multiIf(shape = 'counter', value * 4.6, shape IN ('age', 'whole'), value, value * 0.98), multiIf(shape = 'counter', value * 5.4, shape = 'age', value + 55, shape = 'whole', value, value * 1.02),
  initializeAggregation('argMaxState', value, toDateTime64(t + 55, 3, 'UTC'))
FROM (${points}) ${SETTINGS}`;
}

/** What each series is, from one point in time at which everybody is alive. */
function insertSeries(database: string, { startMs, endMs }: Week, family: Family): string {
  const once: WeekTimes = { stepSeconds: 5, spans: [{ startMs, endMs: startMs + 5_000 }] };
  return `INSERT INTO ${database}.metric_series SELECT *, toDateTime64(${endMs / 1000}, 3, 'UTC') AS last_seen FROM (${seriesSql(family, once)})`;
}

/** Machines, nodes and what was said of them. */
function inventoryStatements({ database, week }: EventOptions): string[] {
  const time = (ms: number): string => time64(ms / 1000);
  const cluster = quote(WEEK_CLUSTER);
  const nodes = weekNodes().flatMap(({ site, machineId, node, role, index }) =>
    [week.startMs, week.endMs].map(
      (ms) =>
        `(${time(ms)}, ${cluster}, ${quote(site)}, ${quote(machineId)}, ${quote(node)}, ${quote(role)}, '0.1.0', ${1000 + index}, map())`,
    ),
  );
  const machines = weekNodes()
    .filter(({ node }) => node !== 'edge-18')
    .flatMap(({ site, machineId, node, index, cardBits }) =>
      [week.startMs, week.endMs].map(
        (ms) =>
          `(${time(ms)}, ${cluster}, ${quote(site)}, ${quote(machineId)}, ${quote(`${node}.example`)}, 'x86_64', 'Debian GNU/Linux 12', '6.1.0', ['AMD EPYC 7402'], 8, 17179869184, [('eth0', '02:00:00:00:00:${String(index).padStart(2, '0')}', ['192.0.2.${index + 1}'], ${cardBits})], map())`,
      ),
    );
  // A node that was taken away for good as the week began: it is silent, and nobody is to be woken for it.
  const goneMs = week.startMs + MINUTE_MS;
  for (const ms of [week.startMs, goneMs])
    nodes.push(`(${time(ms)}, ${cluster}, 'ams', 'm-edge-99', 'edge-99', 'edge', '0.0.9', 99, map())`);
  const marks = [`(${time(goneMs)}, ${cluster}, 'edge-99', 'retired', 'replaced by edge-18')`];
  const drain = week.incidents.get('drain');
  if (drain) {
    marks.push(
      `(${time(drain.startMs - 30_000)}, ${cluster}, 'edge-18', 'draining', 'kernel update')`,
      `(${time(drain.endMs)}, ${cluster}, 'edge-18', 'serving', 'started')`,
    );
  }
  return [
    `INSERT INTO ${database}.node_reports VALUES ${nodes.join(', ')}`,
    `INSERT INTO ${database}.machine_reports VALUES ${machines.join(', ')}`,
    `INSERT INTO ${database}.node_marks VALUES ${marks.join(', ')}`,
  ];
}
