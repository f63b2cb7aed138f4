/**
 * The events of the generated week: connections opened and closed as often as the counters say, the attack's addresses,
 * and fail-overs.
 */
import { streamShares, WEEK_CLUSTER, weekStreams } from './cluster.ts';
import type { Week } from './generate.ts';
import { quote, type WeekTimes } from './sql.ts';
import { nodeStates, shareTable } from './states.ts';

/** Which week goes where. */
export interface EventOptions {
  readonly database: string;
  readonly week: Week;
}

const CLUSTER = quote(WEEK_CLUSTER);
const CONNECTION_COLUMNS =
  'opened_at, connection_id, version, cluster, site, machine_id, node, role, protocol, app, stream, client_address, client_port, session_id, user_agent, closed_at, reason, bytes_in, bytes_queued, bytes_delivered, frames_dropped';

/** Connections and fail-overs of the week; a quiet week has publishers only. */
export function eventStatements(options: EventOptions): string[] {
  const always = [publishers(options), failovers(options)];
  return options.week.incidents.size === 0 ? always : [viewers(options), directorChanges(options), ...always];
}

const time64 = (seconds: string): string => `toDateTime64(${seconds}, 3, 'UTC')`;

/** Viewers: sessions of 30 minutes in the mean; those of a node that died have no end. */
function viewers({ database, week }: EventOptions): string {
  const dead = week.incidents.get('node-dead');
  const slow = week.incidents.get('edge-slow');
  const spike = week.incidents.get('connection-spike');
  const inSpike = spike
    ? `(node = ${quote(spike.subject)} AND t >= ${spike.startMs / 1000} AND t < ${spike.endMs / 1000} AND k >= 30)`
    : '0';
  const diedAt = (dead?.startMs ?? 0) / 1000;
  const died = dead ? `(node = ${quote(dead.subject)} AND opened < ${diedAt} AND opened + seconds >= ${diedAt})` : '0';
  const ejected = slow
    ? `(node = ${quote(slow.subject)} AND opened + seconds >= ${slow.startMs / 1000} AND opened < ${slow.endMs / 1000} AND h % 5 < 3)`
    : '0';
  const endSeconds = week.endMs / 1000;
  const times: WeekTimes = { stepSeconds: 60, spans: [week] };
  return `INSERT INTO ${database}.connection_events (${CONNECTION_COLUMNS})
SELECT ${time64('opened')}, reinterpretAsUUID(sipHash128(c.node, t, k)), if(stays OR no_end, 0, 1), ${CLUSTER}, site, machine_id, c.node, 'viewer',
  if(h % 10 < 7, 'rtmp', 'http-flv'), s.app, s.stream,
  if(attack, concat('203.0.113.', toString(h % 254 + 1)), concat('10.', toString(h % 40), '.', toString(intDiv(h, 64) % 250), '.', toString(intDiv(h, 4096) % 250))),
  1024 + h % 60000, if(h % 10 >= 7, lower(hex(h)), ''), if(h % 10 < 7, 'LNX 9,0,124,2', 'Mozilla/5.0'),
  if(stays OR no_end, toDateTime64(0, 3, 'UTC'), ${time64('opened + seconds')}),
  multiIf(stays OR no_end, '', ejected, 'slow-viewer', attack OR h % 100 < 7, 'client-reset', 'client-closed'),
  3000, toUInt64(seconds * s.bits / 8), toUInt64(seconds * s.bits / 8 * if(ejected, 0.8, 0.999)), if(ejected, toUInt64(seconds), 0)
FROM (
  SELECT node, site, machine_id, t, k, sipHash64(node, t, k) AS h, t + h % 60000 / 1000 AS opened, ${inSpike} AS attack,
    if(attack, 1 + h % 3, least(14000, -1800 * log((1 + intDiv(h, 100000) % 99999) / 100000))) AS full_length,
    opened + full_length > ${endSeconds} AS stays,
    full_length AS seconds, ${died} AS no_end, ${ejected} AS ejected,
    intDiv(h, 7919) % 1000000 / 1000000 AS u,
    toUInt32(arrayFirstIndex(x -> x >= u, limits)) AS place
  FROM (
    SELECT n.node AS node, site, machine_id, t, limits, arrayJoin(range(toUInt32(round(opened * 60)))) AS k
    FROM (SELECT * FROM (${nodeStates(times, week.incidents)}) WHERE role = 'edge') AS n
    INNER JOIN (SELECT node, arrayPopBack(arrayCumSum(groupArray(share))) AS below, arrayPushBack(below, 1.) AS limits FROM (SELECT * FROM ${shareTable()} ORDER BY node, place) GROUP BY node) AS l ON l.node = n.node
  )
) AS c
INNER JOIN ${shareTable()} AS s ON s.node = c.node AND s.place = c.place
SETTINGS max_insert_threads = 1, optimize_on_insert = 0`;
}

/** Publishers: one connection a day for each stream; the flapping one comes and goes every minute. */
function publishers({ database, week }: EventOptions): string {
  const flap = week.incidents.get('publisher-flapping');
  const rows = weekStreams().flatMap((stream) => {
    const edge = `edge-${String(stream.publisherEdge + 1).padStart(2, '0')}`;
    const machine = edge === 'edge-18' ? 'm-edge-17' : `m-${edge}`;
    const spans = Array.from({ length: 7 }, (_, day) => [
      week.startMs + day * 86_400_000,
      week.startMs + (day + 1) * 86_400_000 - 1,
    ]);
    if (flap && `${stream.app}/${stream.stream}` === flap.subject) {
      const before = spans.filter(([from = 0]) => from < flap.startMs);
      spans.splice(0, spans.length, ...before.map(([from = 0, to = 0]) => [from, Math.min(to, flap.startMs)]));
      for (let at = flap.startMs; at < flap.endMs; at += 60_000) spans.push([at, at + 40_000]);
      spans.push([flap.endMs, week.endMs]);
    }
    return spans.map(([from = 0, to = 0]) => {
      const open = to >= week.endMs - 1;
      return `(${from / 1000}, ${open ? 0 : 1}, ${quote(edge)}, ${quote(machine)}, ${quote(stream.app)}, ${quote(stream.stream)}, ${open ? 0 : to / 1000}, ${stream.bitrateBits})`;
    });
  });
  return `INSERT INTO ${database}.connection_events (${CONNECTION_COLUMNS})
SELECT ${time64('x.1')}, reinterpretAsUUID(sipHash128(x.1, x.3, x.5, x.6)), x.2, ${CLUSTER}, 'fra', x.4, x.3, 'publisher', 'rtmp', x.5, x.6,
  '198.51.100.7', 51000, '', 'FMLE/3.0', ${time64('x.7')}, if(x.2 = 0, '', 'client-closed'), toUInt64(greatest(0, x.7 - x.1) * x.8 / 8), 0, 0, 0
FROM (SELECT arrayJoin([${rows.join(', ')}]) AS x)`;
}

/** Fail-overs: a short one every few hours of any week, and everything that hung on the lost origin. */
function failovers({ database, week }: EventOptions): string {
  const shares = streamShares();
  const rows: string[] = [];
  for (let i = 0; i < 40; i++) {
    const { edge, stream } = shares[(i * 11) % shares.length] ?? shares[0]!;
    const at = week.startMs / 1000 + 7_200 + i * 15_000;
    rows.push(
      row(
        at,
        edge.node,
        edge.machineId,
        stream,
        'upstream-stalled',
        'origin-2',
        'origin-1',
        180 + ((i * 37) % 420),
        20 + i,
      ),
    );
  }
  const lost = week.incidents.get('origin-lost');
  for (const [i, { edge, stream }] of lost ? shares.entries() : []) {
    if (i % 2 === 1) continue;
    rows.push(
      row(
        lost!.startMs / 1000 + 1 + (i % 5) / 2,
        edge.node,
        edge.machineId,
        stream,
        'upstream-lost',
        'origin-1',
        'origin-2',
        380 + ((i * 173) % 2_900),
        12 + i,
      ),
    );
  }
  return `INSERT INTO ${database}.failovers (time, cluster, site, machine_id, node, app, stream, cause, from_node, to_node, gap_ms, viewers, media_gap_ms)
SELECT ${time64('x.1')}, ${CLUSTER}, 'fra', x.3, x.2, x.4, x.5, x.6, x.7, x.8, x.9, x.10, if(x.9 > 2000, x.9 - 2000, 0)
FROM (SELECT arrayJoin([${rows.join(', ')}]) AS x)`;
}

/** The changes behind the incidents of the directors. */
function directorChanges({ database, week }: EventOptions): string {
  const at = (name: 'vrrp-split' | 'address-lost' | 'vrrp-flapping' | 'director-dead') => {
    const { startMs, endMs } = week.incidents.get(name) ?? { startMs: 0, endMs: 0 };
    return { from: startMs / 1_000, to: endMs / 1_000 };
  };
  const rows = [
    [at('vrrp-split').from, 'director-2', 'master', 'backup'],
    [at('vrrp-split').to, 'director-2', 'backup', 'master'],
    ...['director-1', 'director-2'].map((node) => [at('address-lost').from, node, 'fault', 'backup']),
    [at('address-lost').to, 'director-1', 'master', 'fault'],
    [at('address-lost').to, 'director-2', 'backup', 'fault'],
    [at('director-dead').to, 'director-2', 'backup', 'stopped'],
  ];
  for (let time = at('vrrp-flapping').from; time < at('vrrp-flapping').to; time += 20) {
    rows.push([time, 'director-1', 'backup', 'master'], [time + 2, 'director-1', 'master', 'backup']);
  }
  const values = rows.map(
    ([time, node, state, before]) =>
      `(${time64(String(time))}, ${CLUSTER}, 'fra', 'm-${node}', '${node}', 'fra', '${state}', '${before}')`,
  );
  return `INSERT INTO ${database}.director_changes (time, cluster, site, machine_id, node, vrrp_group, state, before) VALUES ${values.join(', ')}`;
}

function row(
  at: number,
  node: string,
  machine: string,
  stream: { app: string; stream: string },
  cause: string,
  from: string,
  to: string,
  gapMs: number,
  viewers: number,
): string {
  return `(toFloat64(${at}), ${quote(node)}, ${quote(machine)}, ${quote(stream.app)}, ${quote(stream.stream)}, ${quote(cause)}, ${quote(from)}, ${quote(to)}, ${gapMs}, ${viewers})`;
}
