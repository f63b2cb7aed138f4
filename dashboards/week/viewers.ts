/**
 * What browsers measured in the generated week: single measurements of the last nine hours and of every stall, rows of one or
 * five minutes for the rest (in the table that rolls up from there), three viewers in ten of each stream and edge.
 */
import { WEEK_CLUSTER } from './cluster.ts';
import type { EventOptions } from './generate.ts';
import type { Incident } from './incidents.ts';
import { during, quote, type Span, type WeekTimes } from './sql.ts';
import { nodeStates, shareTable } from './states.ts';

/** Viewers whose browser measures: those of HTTP-FLV (week/events.ts). */
export const MEASURED_SHARE = 0.3;

const SINGLE_MS = 9 * 3_600_000;
/** Rows of one minute from so long before to so long after an incident begins, else of five. */
const BEFORE_MS = 10 * 60_000;
const AFTER_MS = 35 * 60_000;
const STEP_MS = 300_000;
const STARTS_PER_SECOND = 1 / 1_800;

/** Rows of what browsers measured, up to the time from which there are single measurements; in a quiet week there are none. */
export function viewerRowStatements(options: EventOptions): string[] {
  const { startMs, endMs, incidents } = options.week;
  const until = incidents.size === 0 ? endMs : endMs - SINGLE_MS;
  return steps(startMs, until, [...incidents.values()]).map((times) => rows(options, times));
}

/** Single measurements, made from the connections and fail-overs that are there. */
export function measurementStatements(options: EventOptions): string[] {
  if (options.week.incidents.size === 0) return [];
  return [watched(options), stallsOfFailovers(options), stallsOfIncidents(options), stallsOfOwn(options)];
}

/** Steps of five minutes, of one around the incidents that viewers notice. */
function steps(startMs: number, endMs: number, incidents: readonly Incident[]): WeekTimes[] {
  const noticed = ['edge-slow', 'start-slow', 'delay-high', 'publisher-flapping', 'origin-lost'];
  const windows = incidents
    .filter(({ name }) => noticed.includes(name))
    .map((incident) => ({
      startMs: incident.startMs - BEFORE_MS,
      endMs: Math.min(endMs, incident.startMs + AFTER_MS),
    }))
    .sort((a, b) => a.startMs - b.startMs);
  const coarse: Span[] = [];
  const fine: Span[] = [];
  let at = startMs;
  for (const window of [...windows, { startMs: endMs, endMs }]) {
    // whole steps of five minutes, the rest by the minute
    const whole = at + Math.floor((window.startMs - at) / STEP_MS) * STEP_MS;
    if (whole > at) coarse.push({ startMs: at, endMs: whole });
    if (window.endMs > whole) fine.push({ startMs: whole, endMs: window.endMs });
    at = window.endMs;
  }
  const all: WeekTimes[] = [
    { stepSeconds: 300, spans: coarse },
    { stepSeconds: 60, spans: fine },
  ];
  return all.filter(({ spans }) => spans.length > 0);
}

function rows({ database, week }: EventOptions, times: WeekTimes): string {
  const name = "concat(app, '/', stream)";
  const slowStart = during(week.incidents, 'start-slow', name);
  const late = during(week.incidents, 'delay-high');
  const step = times.stepSeconds;
  return `INSERT INTO ${database}.viewer_1m (time, cluster, app, stream, node, sessions, stalled_sessions, starts, start_ms, stalls, stall_ms, longest_stall_ms, watched_ms, delays, delay_ms, frames_decoded, frames_dropped, reconnects)
SELECT toDateTime(t, 'UTC'), ${quote(WEEK_CLUSTER)}, app, stream, node,
  arrayReduce('uniqState', arrayMap(k -> toString(sipHash64(place, k, intDiv(t + 97 * k, 1800))), range(watching))),
  arrayReduce('uniqState', CAST([], 'Array(String)')),
  toUInt64(begun),
  arrayReduce('quantilesTDigestState(0.5, 0.95, 0.99)', arrayMap(k -> 180. + sipHash64(place, t, k) % 700 + extra_start, range(begun))),
  0, 0., 0., toFloat64(watching) * ${step * 1_000},
  toUInt64(watching),
  arrayReduce('quantilesTDigestState(0.5, 0.95, 0.99)', arrayMap(k -> 350. + sipHash64(place, t, k, 1) % 400 + extra_delay, range(watching))),
  toUInt64(watching * ${step * 25}), toUInt64(intDiv(watching, 9)), 0
FROM (
  SELECT t, n.node AS node, s.app AS app, s.stream AS stream, cityHash64(node, app, stream) AS place, viewers * s.share * ${MEASURED_SHARE} AS mean,
    if(${slowStart}, 5200, 0) AS extra_start, if(${late}, 11000, 0) AS extra_delay,
    toUInt32(floor(mean + sipHash64(node, stream, t) % 1000 / 1000)) AS watching,
    toUInt32(floor(mean * ${step * STARTS_PER_SECOND} + sipHash64(stream, node, t) % 1000 / 1000)) AS begun
  FROM (SELECT * FROM (${nodeStates(times, week.incidents)}) WHERE role = 'edge') AS n
  INNER JOIN ${shareTable()} AS s ON s.node = n.node
)
WHERE watching > 0
SETTINGS max_insert_threads = 1, optimize_on_insert = 0`;
}

/** Columns of a measurement of the connection `c`. */
const measurement = (time: string, type: string, values: string, cause = ''): string =>
  `${time}, c.cluster, c.site, c.machine_id, c.node, c.app, c.stream, c.session_id, ${type}, ${values},
  map('connection', toString(c.connection_id), 'client.subnet', concat(arrayStringConcat(arraySlice(splitByChar('.', c.client_address), 1, 3), '.'), '.0/24')${cause === '' ? '' : `, 'cause', ${cause}`}),
  'https://example.org/player/', multiIf(c.client_port % 7 < 2, 'Firefox 148', c.client_port % 7 = 2, 'Safari 26', 'Chrome 156'), 'Linux'`;

const MEASURING = "c.session_id != '' AND c.role = 'viewer'";
const watchingAt = (time: string): string => `c.opened_at < ${time} AND (c.version = 0 OR c.closed_at > ${time})`;

/** Starts, and all that was watched in each five minutes, of the last nine hours. */
function watched({ database, week }: EventOptions): string {
  const from = (week.endMs - SINGLE_MS) / 1_000;
  const until = `least(${week.endMs / 1_000}, if(c.version = 0, ${week.endMs / 1_000}, toUnixTimestamp64Milli(c.closed_at) / 1000))`;
  return `INSERT INTO ${database}.viewer_measurements
SELECT ${measurement("toDateTime64(m.1, 3, 'UTC')", 'm.2', 'm.3')}
FROM (
  SELECT c.*, toUnixTimestamp64Milli(c.opened_at) / 1000 AS begun, ${until} AS until,
    arrayMap(i -> least(until, (intDiv(toUInt32(greatest(begun, ${from})), 300) + i + 1) * 300.), range(toUInt32(greatest(0, ceil((until - intDiv(toUInt32(greatest(begun, ${from})), 300) * 300) / 300))))) AS beats
  FROM ${database}.connection_events AS c
  WHERE ${MEASURING} AND (c.version = 0 OR c.closed_at > toDateTime64(${from}, 3, 'UTC'))
) AS c
ARRAY JOIN arrayConcat(
  arrayMap(at -> (at - 0.001, 'player.heartbeat', map('watched_ms', 1000. * (at - greatest(begun, at - 300)), 'delay_ms', 350. + sipHash64(c.session_id, at) % 400, 'frames_decoded', 25. * (at - greatest(begun, at - 300)), 'frames_dropped', toFloat64(c.client_port % 3))), beats),
  arrayMap(at -> (at + 1, 'player.start', map('total_ms', 180. + c.client_port % 700)), arrayFilter(at -> at >= ${from}, [begun]))) AS m
SETTINGS max_insert_threads = 1`;
}

/** One session in four of those that watched when a fail-over of theirs took more than a second. */
function stallsOfFailovers({ database }: EventOptions): string {
  return `INSERT INTO ${database}.viewer_measurements
SELECT ${measurement('f.time + toIntervalSecond(2)', "'player.stall'", "map('duration_ms', f.gap_ms - 300., 'buffer_before_ms', 240.)", "'buffer'")}
FROM ${database}.failovers AS f
INNER JOIN ${database}.connection_events AS c ON c.node = f.node AND c.app = f.app AND c.stream = f.stream
WHERE f.gap_ms > 1000 AND ${MEASURING} AND ${watchingAt('f.time')} AND c.client_port % 4 = 0`;
}

/** Every minute half of the viewers of the slow edge, and all of a stream whose publisher comes and goes. */
function stallsOfIncidents({ database, week }: EventOptions): string {
  const minutes = (name: 'edge-slow' | 'publisher-flapping', where: string, share: string, cause: string): string => {
    const { startMs, endMs } = week.incidents.get(name) ?? { startMs: 0, endMs: 0 };
    return `SELECT c.*, toDateTime64(${startMs / 1_000} + 60 * minute + 5 + sipHash64(c.session_id, minute) % 30, 3, 'UTC') AS at, '${cause}' AS cause
  FROM ${database}.connection_events AS c ARRAY JOIN range(${(endMs - startMs) / 60_000}) AS minute
  WHERE ${where} AND ${MEASURING} AND ${share} AND c.opened_at < toDateTime64(${endMs / 1_000}, 3, 'UTC') AND ${watchingAt('at')}`;
  };
  return `INSERT INTO ${database}.viewer_measurements
SELECT ${measurement('c.at', "'player.stall'", "map('duration_ms', 2000. + sipHash64(c.session_id, c.at) % 6000, 'buffer_before_ms', 180.)", 'c.cause')}
FROM (
  ${minutes('edge-slow', `c.node = ${quote(week.incidents.get('edge-slow')?.subject ?? '')}`, 'sipHash64(c.session_id, minute) % 2 = 0', 'buffer')}
  UNION ALL
  ${minutes('publisher-flapping', `concat(c.app, '/', c.stream) = ${quote(week.incidents.get('publisher-flapping')?.subject ?? '')}`, '1', 'away')}
) AS c
SETTINGS max_insert_threads = 1`;
}

/** A short stall of one session in fifty: somebody's own network. */
function stallsOfOwn({ database }: EventOptions): string {
  return `INSERT INTO ${database}.viewer_measurements
SELECT ${measurement('c.opened_at + toIntervalSecond(40)', "'player.stall'", "map('duration_ms', 300. + c.client_port % 500, 'buffer_before_ms', 90.)", "'buffer'")}
FROM ${database}.connection_events AS c
WHERE ${MEASURING} AND c.client_port % 50 = 0 AND (c.version = 0 OR c.closed_at > c.opened_at + toIntervalSecond(60)) AND c.opened_at < now() - 60
SETTINGS max_insert_threads = 1`;
}
