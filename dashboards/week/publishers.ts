/**
 * Publishers of the generated week, one truth for their connections and for what the directory says of their streams: a
 * connection a day for each stream, a flapping one, and one that a drain sends to another edge for a while.
 */
import { WEEK_CLUSTER, type WeekNode, weekNodes, weekStreams } from './cluster.ts';
import type { EventOptions, Week } from './generate.ts';
import { CONNECTION_COLUMNS, quote, time64 } from './sql.ts';

const DAY_MS = 86_400_000;
/** How long the publisher of a drained edge needs to connect again. */
const AGAIN_MS = 2_000;

/** One connection of a publisher; an open one ends with the week. */
interface Publishing {
  readonly app: string;
  readonly stream: string;
  readonly bitrateBits: number;
  readonly edge: WeekNode;
  readonly fromMs: number;
  readonly toMs: number;
  /** Why it ended. */
  readonly reason: 'client-closed' | 'draining' | 'taken';
}

/** All publishers of the week, each stream's in the order of time. */
export function publishings({ startMs, endMs, incidents }: Week): Publishing[] {
  const flap = incidents.get('publisher-flapping');
  const drain = incidents.get('drain');
  const edges = weekNodes().filter(({ role }) => role === 'edge');
  return weekStreams().flatMap(({ app, stream, bitrateBits, publisherEdge }) => {
    const [edge, neighbour] = [edges[publisherEdge], edges.at(publisherEdge - 1)] as [WeekNode, WeekNode];
    const on = (
      fromMs: number,
      toMs: number,
      there = edge,
      reason: Publishing['reason'] = 'client-closed',
    ): Publishing => ({
      ...{ app, stream, bitrateBits, edge: there, fromMs, toMs, reason },
    });
    const days = Array.from({ length: 7 }, (_, day) => on(startMs + day * DAY_MS, startMs + (day + 1) * DAY_MS - 1));
    if (flap?.subject === `${app}/${stream}`) {
      const before = days.filter(({ fromMs }) => fromMs < flap.startMs);
      const minutes = Array.from({ length: (flap.endMs - flap.startMs) / 60_000 }, (_, i) => flap.startMs + i * 60_000);
      return [
        ...before.map((span) => ({ ...span, toMs: Math.min(span.toMs, flap.startMs) })),
        ...minutes.map((at) => on(at, at + 40_000)),
        on(flap.endMs, endMs),
      ];
    }
    if (drain?.subject === edge.node) {
      const [startedMs, againMs] = [drain.startMs - 30_000, drain.startMs - 30_000 + AGAIN_MS];
      return days.flatMap((span) =>
        span.fromMs < startedMs && span.toMs > drain.endMs
          ? [
              { ...span, toMs: startedMs, reason: 'draining' as const },
              on(againMs, drain.endMs, neighbour, 'taken'),
              { ...span, fromMs: drain.endMs },
            ]
          : [span],
      );
    }
    return days;
  });
}

/** Their connections. */
export function publisherConnections({ database, week }: EventOptions): string {
  const rows = publishings(week).map(({ app, stream, bitrateBits, edge, fromMs, toMs, reason }) => {
    const open = isOpen(toMs, week);
    const { node, site, machineId } = edge;
    const why = reason === 'taken' ? 'stream-busy' : reason;
    return `(${fromMs / 1_000}, ${open ? 0 : 1}, ${quote(node)}, ${quote(machineId)}, ${quote(app)}, ${quote(stream)}, ${open ? 0 : toMs / 1_000}, ${bitrateBits}, ${quote(open ? '' : why)}, ${quote(site)})`;
  });
  return `INSERT INTO ${database}.connection_events (${CONNECTION_COLUMNS})
SELECT ${time64('x.1')}, reinterpretAsUUID(sipHash128(x.1, x.3, x.5, x.6)), x.2, ${quote(WEEK_CLUSTER)}, x.10, x.4, x.3, 'publisher', 'rtmp', x.5, x.6,
  '198.51.100.7', 51000, '', 'FMLE/3.0', ${time64('x.7')}, x.9, toUInt64(greatest(0, x.7 - x.1) * x.8 / 8), 0, 0, 0
FROM (SELECT arrayJoin([${rows.join(', ')}]) AS x)`;
}

/** What the directory says of their streams: who got the name from whom and why, and how it ended. */
export function streamChanges({ database, week }: EventOptions): string {
  const all = publishings(week);
  const rows = all.flatMap((one, i) => {
    const { fromMs, toMs, reason } = one;
    const { node } = one.edge;
    const before = all[i - 1];
    const after = all[i + 1];
    const isTaken = before?.reason === 'taken' && before.stream === one.stream;
    const told = (atMs: number, change: string, cause: string, from: string, to: string): string =>
      `(${atMs / 1_000}, ${quote(one.app)}, ${quote(one.stream)}, '${change}', '${cause}', '${from}', '${to}', '${node}')`;
    const began = told(fromMs, 'published', isTaken ? 'newest-wins' : 'free', isTaken ? before.edge.node : '', node);
    if (isOpen(toMs, week)) return [began];
    const lost = reason === 'taken';
    return [began, told(toMs, lost ? 'lost' : 'ended', reason, node, lost ? (after?.edge.node ?? '') : '')];
  });
  return `INSERT INTO ${database}.stream_changes (time, cluster, app, stream, change, cause, from_node, to_node, node)
SELECT ${time64('x.1')}, ${quote(WEEK_CLUSTER)}, x.2, x.3, x.4, x.5, x.6, x.7, x.8
FROM (SELECT arrayJoin([${rows.join(', ')}]) AS x)`;
}

function isOpen(toMs: number, week: Week): boolean {
  return toMs >= week.endMs - 1;
}
