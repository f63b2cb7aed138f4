/**
 * The events of the generated week: connections opened and closed as often as the counters say, the attack's addresses,
 * fail-overs, and what directors did. Publishers and the cluster's own changes are in publishers.ts and changes.ts.
 */
import { clusterChanges } from './changes.ts';
import { streamShares, WEEK_CLUSTER } from './cluster.ts';
import type { EventOptions } from './generate.ts';
import { publisherConnections, streamChanges } from './publishers.ts';
import { CONNECTION_COLUMNS, quote, time64, type WeekTimes } from './sql.ts';
import { nodeStates, shareTable } from './states.ts';

const CLUSTER = quote(WEEK_CLUSTER);

/** Connections, fail-overs and changes of the week; a quiet week has those of publishers only. */
export function eventStatements(options: EventOptions): string[] {
  const always = [publisherConnections(options), streamChanges(options), failovers(options)];
  return options.week.incidents.size === 0
    ? always
    : [viewers(options), directorChanges(options), ...clusterChanges(options), ...always];
}

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
  if(stays OR no_end, ${time64(0)}, ${time64('opened + seconds')}),
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

/** Fail-overs: a short one every few hours of any week, and everything that hung on the lost origin. */
function failovers({ database, week }: EventOptions): string {
  const shares = streamShares();
  const rows: string[] = [];
  for (let i = 0; i < 40; i++) {
    const { edge, stream } = shares[(i * 11) % shares.length] ?? shares[0]!;
    const at = week.startMs / 1000 + 7_200 + i * 15_000;
    rows.push(
      row(at, edge.node, edge.machineId, stream, 'stalled', 'origin-2', 'origin-1', 180 + ((i * 37) % 420), 20 + i),
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
        'disconnected',
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
  type Change = [seconds: number, node: string, state: string, before: string];
  const rows: Change[] = [
    [at('vrrp-split').from, 'director-2', 'master', 'backup'],
    [at('vrrp-split').to, 'director-2', 'backup', 'master'],
    ...['director-1', 'director-2'].map((node): Change => [at('address-lost').from, node, 'fault', 'backup']),
    [at('address-lost').to, 'director-1', 'master', 'fault'],
    [at('address-lost').to, 'director-2', 'backup', 'fault'],
    [at('director-dead').to, 'director-2', 'backup', 'stopped'],
  ];
  for (let time = at('vrrp-flapping').from; time < at('vrrp-flapping').to; time += 20) {
    rows.push([time, 'director-1', 'backup', 'master'], [time + 2, 'director-1', 'master', 'backup']);
  }
  const values = rows.map(
    ([time, node, state, before]) =>
      `(${time64(time)}, ${CLUSTER}, 'fra', 'm-${node}', '${node}', 'fra', '${state}', '${before}')`,
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
