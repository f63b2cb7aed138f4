/**
 * The figures of the generated week as SQL: one row per node or stream, point in time and metric, computed by the engine
 * from numbers() and a hash, so that a week of 20 nodes takes seconds and is the same every time for the same end.
 */
import { METRICS, type MetricName } from '@weir/contracts/metrics';
import { directorEntries, nameServerEntries } from './balancing.ts';
import { streamShares, WEEK_CLUSTER, weekNodes, weekStreams } from './cluster.ts';
import type { IncidentName } from './incidents.ts';
import { during, ENTRY_TYPE, entry, type Incidents, noise, normal, quote } from './sql.ts';

/** Points every `stepSeconds` from `startMs` (inclusive) to `endMs` (exclusive), both on the grid of the step. */
export interface PointRange {
  readonly startMs: number;
  readonly endMs: number;
  readonly stepSeconds: 5 | 60 | 300;
}

function times(range: PointRange): string {
  const points = (range.endMs - range.startMs) / 1000 / range.stepSeconds;
  return `(SELECT ${range.startMs / 1000} + ${range.stepSeconds} * number AS t FROM numbers(${points}))`;
}

function nodeTable(): string {
  const rows = weekNodes().map(
    (n) =>
      `(${n.index}, ${quote(n.node)}, ${quote(n.role)}, ${quote(n.site)}, ${quote(n.machineId)}, ${n.weight}, ${n.cardBits})`,
  );
  return `(SELECT x.1 AS i, x.2 AS node, x.3 AS role, x.4 AS site, x.5 AS machine_id, toFloat64(x.6) AS weight, toFloat64(x.7) AS card_bits FROM (SELECT arrayJoin([${rows.join(', ')}]) AS x))`;
}

/** A smooth day with its peak at 20:00 UTC and its valley at 08:00, a little more at the weekend. */
const DAY_SHAPE =
  "(0.3 + 0.7 * (0.5 + 0.5 * cos(2 * pi() * ((t % 86400) / 3600 - 20) / 24))) * if(toDayOfWeek(toDateTime(t), 0, 'UTC') >= 6, 1.15, 1)";

/** When the processes of the cluster were started, long before the week. */
const STARTED_SECONDS = Date.UTC(2026, 0, 1) / 1_000;

/** State of every living node at every time: who is connected, what arrives, what is the matter. */
export function nodeStates(range: PointRange, incidents: Incidents): string {
  const is = (name: IncidentName, column?: string) => during(incidents, name, column);
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
    viewers / 30 * ${range.stepSeconds} / 60 AS arrivals,
    toFloat64(greatest(0, round(arrivals + sqrt(arrivals) * ${normal(2)})) + if(${is('connection-spike')}, ${10 * range.stepSeconds}, 0)) / ${range.stepSeconds} AS opened,
    ${publishers} AS publishers,
    toFloat64(greatest(t - greatest(${restarts.join(', ')}, ${STARTED_SECONDS}), 0)) AS uptime,
    ${is('edge-slow')} AS slow,
    ${is('connection-spike')} AS attacked,
    ${is('cpu-full')} AS hot,
    ${is('memory-full')} AS fat,
    ${is('disk-full')} AS full,
    ${is('clock-off')} AS clock_off,
    ${is('limit-near')} OR ${is('cluster-full')} AS narrow,
    ${is('outbox-filling')} AS filling,
    ${is('ingest-lag')} AS lagging,
    ${is('dead-letters')} AS poisoned,
    multiIf(slow, card_bits, role = 'edge', viewers * 870000, role = 'origin', 60 * 950000., 4e6) AS out_bits,
    least(out_bits, card_bits * 0.965) AS sent_bits,
    least(1, if(role = 'agent', 0.012, 0.05 + 0.02 * ${noise(5)}) + if(edge, viewers * 0.0008, if(role = 'agent', 0, 0.04)) + if(hot, 0.8, 0) + if(slow, 0.3, 0) + if(attacked, 0.15, 0)) AS cpu
  FROM ${times(range)} AS times CROSS JOIN ${nodeTable()} AS nodes
  WHERE NOT ${is('all-silent')} AND NOT ${is('node-dead')} AND NOT ${is('origin-lost')} AND NOT ${is('director-dead')} AND NOT ${is('drain')}`;
}

const NETWORK = (direction: string) => ({ 'network.interface.name': 'eth0', 'network.io.direction': direction });

/** Metrics of a machine; one of its nodes reports them with an empty node name. */
function machineEntries(): string {
  const memory = 17_179_869_184;
  const used = `least(0.97, 0.22 + viewers * 0.0004 + if(fat, 0.66, 0))`;
  const disk = `least(0.99, 0.41 + 0.02 * i / 20 + if(full, 0.52, 0))`;
  return [
    entry('system.cpu.utilization', { 'cpu.mode': 'used' }, 'cpu'),
    entry('system.cpu.utilization', { 'cpu.mode': 'user' }, 'cpu * 0.55'),
    entry('system.cpu.utilization', { 'cpu.mode': 'system' }, 'cpu * 0.45'),
    entry('system.cpu.utilization', { 'cpu.mode': 'iowait' }, '0.004'),
    entry('system.cpu.utilization', { 'cpu.mode': 'idle' }, 'greatest(0, 0.996 - cpu)'),
    entry('system.cpu.logical.count', {}, '8'),
    entry('system.memory.utilization', { 'system.memory.state': 'used' }, used),
    entry('system.memory.usage', { 'system.memory.state': 'used' }, `${memory} * ${used}`),
    entry('system.memory.usage', { 'system.memory.state': 'cached' }, `${memory} * 0.02`),
    entry('system.memory.usage', { 'system.memory.state': 'free' }, `${memory} * (0.98 - ${used})`),
    entry('system.memory.limit', {}, String(memory)),
    entry('system.network.io', NETWORK('receive'), 'sent_bits / 8 * 0.06 + 20000'),
    entry('system.network.io', NETWORK('transmit'), 'sent_bits / 8'),
    entry('system.network.packet.dropped', NETWORK('transmit'), 'if(slow, 220, 0)'),
    entry('system.network.speed', { 'network.interface.name': 'eth0' }, 'card_bits'),
    entry('system.filesystem.utilization', { 'system.device': 'vda1', 'system.filesystem.mountpoint': '/' }, disk),
    entry(
      'system.filesystem.usage',
      { 'system.device': 'vda1', 'system.filesystem.mountpoint': '/', 'system.filesystem.state': 'used' },
      `4e11 * ${disk}`,
    ),
    entry('system.clock.offset', {}, `0.004 * ${noise(7)} + if(clock_off, 3.4, 0)`),
  ].join(',\n    ');
}

/** Metrics of every process, whatever it does. */
function processEntries(): string {
  return [
    entry('process.cpu.utilization', {}, 'cpu * 6'),
    entry('process.memory.usage', {}, '9e7 + viewers * 35000'),
    entry('process.uptime', {}, 'uptime'),
    entry('nodejs.eventloop.delay.p99', {}, `0.003 + 0.004 * cpu + if(slow, 0.09, 0) + 0.001 * ${noise(8)}`),
    entry('nodejs.eventloop.delay.max', {}, `0.012 + 0.01 * cpu + if(slow, 0.3, 0) + 0.004 * ${noise(9)}`),
    entry('weir.outbox.messages', {}, `if(filling, 900, 1 + abs(${noise(10)}))`),
    entry('weir.outbox.size', {}, 'if(filling, 900, 1) * 9000'),
    entry('weir.outbox.dropped', { reason: 'age' }, '0'),
  ].join(',\n    ');
}

/** Metrics of an edge or origin. */
function mediaEntries(): string {
  const viewer = { role: 'viewer', protocol: 'rtmp' };
  const slowShare = 'if(slow, 0.6, 0)';
  return [
    entry('live.connections', { role: 'publisher', protocol: 'rtmp' }, 'if(edge, publishers, 0)'),
    entry('live.connections', viewer, 'if(edge, viewers * 0.7, 0)'),
    entry('live.connections', { role: 'viewer', protocol: 'http-flv' }, 'if(edge, viewers * 0.3, 0)'),
    entry('live.connections', { role: 'relay', protocol: 'rtmp' }, 'if(edge, 2, 30)'),
    entry('live.connections.opened', viewer, 'if(edge, opened, 0)'),
    entry('live.connections.opened', { role: 'relay', protocol: 'rtmp' }, '0.01'),
    entry('live.connections.closed', { ...viewer, reason: 'client-closed' }, 'if(edge, opened * 0.92, 0)'),
    entry('live.connections.closed', { ...viewer, reason: 'client-reset' }, 'if(edge, opened * 0.07, 0)'),
    entry(
      'live.connections.closed',
      { ...viewer, reason: 'slow-viewer' },
      `if(edge, opened * 0.005 + ${slowShare}, 0)`,
    ),
    entry('live.connections.refused', { protocol: 'rtmp', reason: 'bad-handshake' }, 'if(edge, 0.002, 0)'),
    entry('live.connections.refused', { protocol: 'rtmp', reason: 'limit' }, 'if(attacked, 4, 0)'),
    entry('live.connections.limit', {}, 'multiIf(narrow AND edge, viewers * 1.04, edge, 8000, 10000)'),
    entry('live.io', { 'network.io.direction': 'receive', role: 'publisher' }, 'if(edge, publishers * 110000, 0)'),
    entry('live.io', { 'network.io.direction': 'receive', role: 'relay' }, 'if(edge, 500000, 1500000)'),
    entry('live.io', { 'network.io.direction': 'transmit', role: 'viewer' }, 'if(edge, sent_bits / 8 * 0.98, 0)'),
    entry('live.io', { 'network.io.direction': 'transmit', role: 'relay' }, 'if(edge, 250000, 7000000)'),
    entry('live.streams', { source: 'publisher' }, 'if(edge, publishers, 0)'),
    entry('live.streams', { source: 'relay' }, 'if(edge, 4, 12)'),
    entry('live.viewer.frames.dropped', {}, 'if(slow, 800, 0.01)'),
    entry('live.send.queue', {}, `if(edge, viewers * 900 * (1 + ${noise(11)}) + if(slow, 4e8, 0), 1e5)`),
    entry('live.merge.window', {}, 'least(0.35, 0.02 + viewers * 0.0006)'),
    entry('live.relay.pulls', { state: 'live' }, 'if(edge, 4, 12)'),
    entry('live.relay.switches', { cause: 'upstream-lost' }, '0'),
  ].join(',\n    ');
}

/** What the ingest copy says of itself. */
function ingestEntries(): string {
  return [0, 1, 2, 3]
    .map((partition) =>
      entry(
        'weir.ingest.lag',
        { partition: String(partition) },
        `if(lagging, 12000, 2 + 2 * abs(${noise(12 + partition)}))`,
      ),
    )
    .concat([
      entry('weir.ingest.delay', {}, `if(lagging, 340, 0.9 + 0.3 * ${noise(17)})`),
      entry('weir.ingest.rows', { table: 'metric_samples' }, '270'),
      entry('weir.ingest.rows', { table: 'connection_events' }, '8'),
      entry('weir.ingest.messages', {}, '4.8'),
      entry('weir.ingest.received', {}, '43000'),
      entry('weir.ingest.repeats', {}, '0'),
      entry('weir.ingest.lost', {}, '0'),
      entry('weir.ingest.cpu.time', {}, `0.04 + 0.01 * ${noise(19)}`),
      entry('weir.ingest.memory', {}, '1.3e8'),
      entry('weir.ingest.batches', {}, '1.6'),
      entry('weir.ingest.insert.time', {}, `1.6 * (0.018 + 0.006 * ${noise(18)})`),
      entry('weir.ingest.retries', { table: 'metric_samples', class: 'transient', code: '' }, 'if(lagging, 0.2, 0)'),
      entry('weir.ingest.dead_letters', { code: 'OTLP_DECODE' }, 'if(poisoned, 0.25, 0)'),
    ])
    .join(',\n    ');
}

/** All metrics of nodes and machines: time, cluster, site, machine_id, node, metric, attributes, kind, unit, value. */
export function nodePoints(range: PointRange, incidents: Incidents): string {
  return `SELECT t, site, machine_id, if(startsWith(m.metric, 'system.'), '', node) AS node, m.metric AS metric, m.attributes AS attributes, m.kind AS kind, m.unit AS unit, m.value AS value
FROM (
  SELECT t, site, machine_id, node, arrayConcat(
    if(node = 'edge-18', CAST([], '${ENTRY_TYPE}'), CAST([
    ${machineEntries()}], '${ENTRY_TYPE}')),
    CAST([
    ${processEntries()}], '${ENTRY_TYPE}'),
    multiIf(role = 'ingest', CAST([
    ${ingestEntries()}], '${ENTRY_TYPE}'), startsWith(node, 'director-'), CAST([
    ${directorEntries(incidents)}], '${ENTRY_TYPE}'), startsWith(node, 'dns-'), CAST([
    ${nameServerEntries(incidents)}], '${ENTRY_TYPE}'), CAST([
    ${mediaEntries()}], '${ENTRY_TYPE}'))) AS entries
  FROM (${nodeStates(range, incidents)})
) ARRAY JOIN entries AS m`;
}

/** All metrics of streams on edges, same columns as {@link nodePoints}. */
export function streamPoints(range: PointRange, incidents: Incidents): string {
  const shares = streamShares().map(
    ({ edge, stream, share }) =>
      `(${quote(edge.node)}, ${quote(stream.app)}, ${quote(stream.stream)}, ${share}, ${stream.bitrateBits})`,
  );
  const orphan = incidents.has('stream-orphaned')
    ? during(incidents, 'stream-orphaned', "concat(app, '/', stream)")
    : '0';
  const flapping = incidents.has('publisher-flapping')
    ? during(incidents, 'publisher-flapping', "concat(app, '/', stream)")
    : '0';
  const names = "'app', app, 'stream', stream";
  const value = (metric: MetricName, extra: string, text: string) =>
    `(${quote(metric)}, map(${names}${extra}), ${quote(METRICS[metric].kind)}, ${quote(METRICS[metric].unit)}, toFloat64(${text}))`;
  return `SELECT t, site, machine_id, node, m.metric AS metric, m.attributes AS attributes, m.kind AS kind, m.unit AS unit, m.value AS value
FROM (
  SELECT t, site, machine_id, n.node AS node, s.2 AS app, s.3 AS stream, s.4 AS share, s.5 AS bits,
    if(${orphan}, 0, if(${flapping}, 0.6, 1)) AS flow,
    CAST([
      ${value('live.stream.viewers', '', 'viewers * share')},
      ${value('live.stream.bitrate', '', `bits * flow * (1 + 0.05 * (sipHash64(stream, t) % 1000 / 1000 - 0.5))`)},
      ${value('live.stream.io', ", 'network.io.direction', 'transmit'", 'viewers * share * bits / 8 * flow')},
      ${value('live.stream.frames', ", 'media', 'video'", '25 * flow')}
    ], '${ENTRY_TYPE}') AS entries
  FROM (${nodeStates(range, incidents)}) AS n
  ARRAY JOIN arrayFilter(x -> x.1 = n.node, [${shares.join(', ')}]) AS s
  WHERE role = 'edge'
) ARRAY JOIN entries AS m`;
}

/** The id of a generated series. */
export const SERIES_ID = `cityHash64(${quote(WEEK_CLUSTER)}, machine_id, node, metric, toString(attributes))`;
