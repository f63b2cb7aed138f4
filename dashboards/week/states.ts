/**
 * State of every node of the generated week at every point in time: who is connected, what arrives, what is the matter. All
 * figures and events of the week are derived from it, by the engine; the tables of nodes and of streams on edges are here too.
 */
import { streamShares, weekNodes, weekStreams } from './cluster.ts';
import type { IncidentName } from './incidents.ts';
import { during, type Incidents, noise, normal, quote, timesSql, type WeekTimes } from './sql.ts';

function nodeTable(): string {
  const rows = weekNodes().map(
    (n) =>
      `(${n.index}, ${quote(n.node)}, ${quote(n.role)}, ${quote(n.site)}, ${quote(n.machineId)}, ${n.weight}, ${n.cardBits})`,
  );
  return `(SELECT x.1 AS i, x.2 AS node, x.3 AS role, x.4 AS site, x.5 AS machine_id, toFloat64(x.6) AS weight, toFloat64(x.7) AS card_bits FROM (SELECT arrayJoin([${rows.join(', ')}]) AS x))`;
}

/** Which stream has viewers on which edge: node, number of the stream there (from 1), app, stream, share, bits; to join with. */
export function shareTable(): string {
  const seen = new Map<string, number>();
  const rows = streamShares().map(({ edge, stream, share }) => {
    const place = (seen.get(edge.node) ?? 0) + 1;
    seen.set(edge.node, place);
    return `(${quote(edge.node)}, ${place}, ${quote(stream.app)}, ${quote(stream.stream)}, ${share}, ${stream.bitrateBits})`;
  });
  return `(SELECT x.1 AS node, toUInt32(x.2) AS place, x.3 AS app, x.4 AS stream, toFloat64(x.5) AS share, toFloat64(x.6) AS bits FROM (SELECT arrayJoin([${rows.join(', ')}]) AS x))`;
}

/** Which app has viewers or publishers on which edge: node, app, share, bits of its viewers in the mean, app_publishers. */
export function appTable(): string {
  const publishers = weekStreams().map(({ app, publisherEdge }) => `(${publisherEdge}, ${quote(app)})`);
  return `(SELECT s.node AS node, s.app AS app, sum(s.share) AS share, sum(s.share * s.bits) / sum(s.share) AS bits,
    arrayCount(x -> concat('edge-', leftPad(toString(x.1 + 1), 2, '0')) = node AND x.2 = app, [${publishers.join(', ')}]) AS app_publishers
    FROM ${shareTable()} AS s GROUP BY node, app)`;
}

/** A smooth day with its peak at 20:00 UTC and its valley at 08:00, a little more at the weekend. */
const DAY_SHAPE =
  "(0.3 + 0.7 * (0.5 + 0.5 * cos(2 * pi() * ((t % 86400) / 3600 - 20) / 24))) * if(toDayOfWeek(toDateTime(t), 0, 'UTC') >= 6, 1.15, 1)";

/** When the processes of the cluster were started, long before the week. */
const STARTED_SECONDS = Date.UTC(2026, 0, 1) / 1_000;

/** State of every living node at every time: who is connected, what arrives, what is the matter. */
export function nodeStates(times: WeekTimes, incidents: Incidents): string {
  const is = (name: IncidentName, column?: string) => during(incidents, name, column);
  /** Felt by others than the one it happens to. */
  const anywhere = (name: IncidentName) => is(name, quote(incidents.get(name)?.subject ?? ''));
  const publishers = `arrayCount(e -> e = i, [${weekStreams()
    .map((stream) => stream.publisherEdge)
    .join(', ')}])`;
  const restarts = (['node-dead', 'origin-lost', 'director-dead'] as const).map((name) => {
    const { subject, endMs } = incidents.get(name) ?? { subject: '', endMs: 0 };
    return `if(node = ${quote(subject)} AND t >= ${endMs / 1000}, ${endMs / 1000}, 0)`;
  });
  return `SELECT t, i, node, role, site, machine_id, weight, card_bits,
    role = 'edge' AS edge,
    ${DAY_SHAPE} AS day,
    400 * weight * day * (1 + 0.04 * ${noise(1)}) AS viewers,
    viewers / 30 * ${times.stepSeconds} / 60 AS arrivals,
    toFloat64(greatest(0, round(arrivals + sqrt(arrivals) * ${normal(2)})) + if(${is('connection-spike')}, ${10 * times.stepSeconds}, 0)) / ${times.stepSeconds} AS opened,
    ${publishers} AS publishers,
    toFloat64(greatest(t - greatest(${restarts.join(', ')}, ${STARTED_SECONDS}), 0)) AS uptime,
    ${is('edge-slow')} AS slow,
    ${is('connection-spike')} AS attacked,
    ${is('cpu-full')} AS hot,
    ${is('memory-full')} AS fat,
    ${is('disk-full')} AS full,
    ${is('clock-off')} AS clock_off,
    ${anywhere('clock-off')} AS doubted,
    ${anywhere('origin-lost')} AS detour,
    ${is('limit-near')} OR ${is('cluster-full')} AS narrow,
    ${is('outbox-filling')} AS filling,
    ${is('ingest-lag')} AS lagging,
    ${is('dead-letters')} AS poisoned,
    multiIf(slow, card_bits, role = 'edge', viewers * 870000, role = 'origin', 60 * 950000., 4e6) AS out_bits,
    least(out_bits, card_bits * 0.965) AS sent_bits,
    least(1, if(role = 'agent', 0.012, 0.05 + 0.02 * ${noise(5)}) + if(edge, viewers * 0.0008, if(role = 'agent', 0, 0.04)) + if(hot, 0.8, 0) + if(slow, 0.3, 0) + if(attacked, 0.15, 0)) AS cpu
  FROM ${nodeTable()} AS nodes CROSS JOIN ${timesSql(times)} AS times
  WHERE NOT ${is('all-silent')} AND NOT ${is('node-dead')} AND NOT ${is('origin-lost')} AND NOT ${is('director-dead')} AND NOT ${is('drain')}`;
}
