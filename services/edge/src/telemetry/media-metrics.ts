/**
 * Turns what media counts (totals since the process or the hub began) into figures per sample. Before it: the hubs and
 * listeners, through MediaStats; after it: the instruments. Totals start at zero with the process, so a restart of the
 * node adds nothing; a total that fell belongs to a new hub and counts from zero again.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Measure, MetricSource, SampleMoment } from '@weir/telemetry/measurement';
import type { MediaSnapshot, MediaStats, StreamSnapshot } from '../stats.ts';

/** Names longer than this are cut: a publisher must not blow up every sample. */
export const MAX_NAME_LENGTH = 255;

/** Streams measured in one turn of the event loop; media goes on in between. */
const STREAMS_PER_TURN = 500;

/** The node's media as a source; takes one snapshot per sample. */
export function mediaMetrics(stats: MediaStats): MetricSource {
  let totals = new Map<string, number>();
  let streams = new Map<string, StreamSnapshot>();
  return {
    async sample(measure, moment) {
      const snapshot = stats.snapshot();
      totals = measureNode(snapshot, totals, measure);
      streams = await measureStreams(snapshot.streams, streams, measure, moment);
    },
  };
}

/** Measures everything but single streams; returns the totals to compare the next sample with. */
function measureNode(snapshot: MediaSnapshot, before: Map<string, number>, measure: Measure): Map<string, number> {
  const now = new Map<string, number>();
  const keyOf = (name: string, attributes: object) => JSON.stringify([name, ...Object.values(attributes)]);
  const total = (name: string, attributes: object) => before.get(keyOf(name, attributes)) ?? 0;
  const keep: Measure = (name, value, attributes = {}) => void now.set(keyOf(name, attributes), value);
  const count: Measure = (name, value, attributes = {}) => {
    keep(name, value, attributes);
    measure(name, increase(total(name, attributes), value), attributes);
  };
  for (const { role, protocol, open, opened } of snapshot.connections) {
    measure('live.connections', open, { role, protocol });
    count('live.connections.opened', opened, { role, protocol });
  }
  for (const { role, protocol, reason, count: closed } of snapshot.closed) {
    count('live.connections.closed', closed, { role, protocol, reason });
  }
  for (const { protocol, reason, count: refused } of snapshot.refused) {
    count('live.connections.refused', refused, { protocol, reason });
  }
  for (const { role, bytesIn, bytesOut } of snapshot.io) {
    count('live.io', bytesIn, { 'network.io.direction': 'receive', role });
    count('live.io', bytesOut, { 'network.io.direction': 'transmit', role });
  }
  for (const { app, viewers, publishers, bytesIn, bytesOut } of snapshot.apps) {
    const name = { app: app.slice(0, MAX_NAME_LENGTH) };
    const received = { ...name, 'network.io.direction': 'receive' };
    const sent = { ...name, 'network.io.direction': 'transmit' };
    // Totals of an app that nobody uses any more are kept, and say nothing new.
    const isIdle = viewers + publishers === 0 && total('live.app.io', sent) === bytesOut;
    if (isIdle && total('live.app.io', received) === bytesIn) {
      keep('live.app.io', bytesIn, received);
      keep('live.app.io', bytesOut, sent);
      continue;
    }
    measure('live.app.viewers', viewers, name);
    measure('live.app.publishers', publishers, name);
    count('live.app.io', bytesIn, received);
    count('live.app.io', bytesOut, sent);
  }
  measure('live.connections.limit', snapshot.connectionLimit);
  measure('live.send.queue', snapshot.sendQueueBytes);
  measure('live.merge.window', snapshot.mergeWindowMs / 1_000);
  // to 0.1 ms, as delays of the event loop: the digits behind are noise, and took a tenth of all bytes of raw values
  measure('live.merge.flush', Math.round(snapshot.longestFlushMs * 10) / 10_000);
  count('live.viewer.frames.dropped', snapshot.framesDropped);
  for (const source of ['publisher', 'relay'] as const) {
    measure('live.streams', snapshot.streams.filter((stream) => stream.source === source).length, { source });
  }
  for (const { state, count: pulls } of snapshot.relayPulls) measure('live.relay.pulls', pulls, { state });
  for (const { cause, count: switches } of snapshot.relaySwitches) count('live.relay.switches', switches, { cause });
  for (const { reason, count: refused } of snapshot.relayRefusals) count('live.relay.refused', refused, { reason });
  measure('live.relay.hops', snapshot.relayHops);
  measure('live.node.weight', snapshot.weight);
  const { links, failures, framesDropped } = snapshot.externals;
  for (const { direction, state, count: open } of links) measure('live.external.links', open, { direction, state });
  for (const { direction, count: failed } of failures) count('live.external.failures', failed, { direction });
  count('live.external.frames.dropped', framesDropped);
  return now;
}

/** Measures each stream; returns the snapshots to compare the next sample with. A stream that is gone is forgotten. */
async function measureStreams(
  streams: readonly StreamSnapshot[],
  before: ReadonlyMap<string, StreamSnapshot>,
  measure: Measure,
  moment: SampleMoment,
): Promise<Map<string, StreamSnapshot>> {
  const now = new Map<string, StreamSnapshot>();
  for (const stream of streams) {
    if (now.size > 0 && now.size % STREAMS_PER_TURN === 0) await nextTurn();
    const key = `${stream.app}/${stream.name}`;
    now.set(key, stream);
    measureStream(stream, before.get(key), measure, moment);
  }
  return now;
}

function measureStream(
  stream: StreamSnapshot,
  last: StreamSnapshot | undefined,
  measure: Measure,
  { elapsedMs }: SampleMoment,
): void {
  const name = { app: stream.app.slice(0, MAX_NAME_LENGTH), stream: stream.name.slice(0, MAX_NAME_LENGTH) };
  const bytesIn = increase(last?.bytesIn ?? 0, stream.bytesIn);
  measure('live.stream.viewers', stream.viewers, name);
  measure('live.stream.io', bytesIn, { ...name, 'network.io.direction': 'receive' });
  measure('live.stream.io', increase(last?.bytesOut ?? 0, stream.bytesOut), {
    ...name,
    'network.io.direction': 'transmit',
  });
  measure('live.stream.frames', increase(last?.videoFrames ?? 0, stream.videoFrames), { ...name, media: 'video' });
  measure('live.stream.frames', increase(last?.audioFrames ?? 0, stream.audioFrames), { ...name, media: 'audio' });
  // a stream seen for the first time began at an unknown moment of the interval
  if (last && elapsedMs > 0) measure('live.stream.bitrate', (bytesIn * 8_000) / elapsedMs, name);
}

function increase(before: number, now: number): number {
  return now < before ? now : now - before;
}
