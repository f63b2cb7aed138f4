/** What media counted becomes deltas and gauges, streams that end included. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MediaSnapshot } from '../stats.ts';
import { MAX_NAME_LENGTH, mediaMetrics } from './media-metrics.ts';

type Figure = [name: string, value: number, attributes: string];

const nothing: MediaSnapshot = {
  connections: [],
  closed: [],
  refused: [],
  connectionLimit: 10,
  io: [],
  apps: [],
  streams: [],
  framesDropped: 0,
  sendQueueBytes: 0,
  mergeWindowMs: 0,
  longestFlushMs: 0,
  relayPulls: [],
  relaySwitches: [],
  relayHops: 0,
  relayRefusals: [],
  weight: 100,
  externals: { links: [], failures: [], framesDropped: 0 },
};
const stream = {
  app: 'live',
  name: 'a',
  source: 'publisher',
  viewers: 2,
  bytesIn: 0,
  bytesOut: 0,
  videoFrames: 0,
  audioFrames: 0,
} as const;

/** Figures of each of `snapshots` in turn, one sample a second. */
async function sample(...snapshots: Partial<MediaSnapshot>[]): Promise<Figure[][]> {
  const queue = snapshots.map((some) => ({ ...nothing, ...some }));
  const source = mediaMetrics({ snapshot: () => queue.shift() ?? nothing });
  const samples: Figure[][] = [];
  for (const index of snapshots.keys()) {
    const figures: Figure[] = [];
    await source.sample(
      (name, value, attributes = {}) => figures.push([name, value, Object.values(attributes).join(' ')]),
      {
        stampMs: index * 1_000,
        elapsedMs: 1_000,
      },
    );
    samples.push(figures);
  }
  return samples;
}

const only = (samples: Figure[][], name: string) =>
  samples.map((figures) =>
    figures.filter((figure) => figure[0] === name).map(([, value, attributes]) => [value, attributes]),
  );

describe('media metrics', () => {
  it('tell what was added since the last sample, the first one since the process started', async () => {
    const io = (bytesOut: number) => ({ io: [{ role: 'viewer' as const, bytesIn: 5, bytesOut }] });
    const samples = await sample(io(100), io(150), io(150));
    assert.deepEqual(only(samples, 'live.io'), [
      [
        [5, 'receive viewer'],
        [100, 'transmit viewer'],
      ],
      [
        [0, 'receive viewer'],
        [50, 'transmit viewer'],
      ],
      [
        [0, 'receive viewer'],
        [0, 'transmit viewer'],
      ],
    ]);
  });

  it('tell how many pulls of other nodes were refused, and why', async () => {
    const refused = (count: number) => ({ relayRefusals: [{ reason: 'hops' as const, count }] });
    const samples = await sample(refused(2), refused(5));
    assert.deepEqual(only(samples, 'live.relay.refused'), [[[2, 'hops']], [[3, 'hops']]]);
  });

  it('take gauges as they are, in base units', async () => {
    const samples = await sample({
      sendQueueBytes: 7,
      mergeWindowMs: 35,
      longestFlushMs: 4,
      relayPulls: [{ state: 'playing', count: 2 }],
      relayHops: 2,
      weight: 64,
    });
    assert.deepEqual(only(samples, 'live.relay.hops'), [[[2, '']]]);
    assert.deepEqual(only(samples, 'live.node.weight'), [[[64, '']]]);
    assert.deepEqual(only(samples, 'live.send.queue'), [[[7, '']]]);
    assert.deepEqual(only(samples, 'live.merge.window'), [[[0.035, '']]]);
    assert.deepEqual(only(samples, 'live.relay.pulls'), [[[2, 'playing']]]);
    assert.deepEqual(only(samples, 'live.connections.limit'), [[[10, '']]]);
  });

  it('count streams by their source', async () => {
    const samples = await sample({
      streams: [stream, { ...stream, name: 'b', source: 'relay' }, { ...stream, name: 'c', source: 'none' }],
    });
    assert.deepEqual(only(samples, 'live.streams'), [
      [
        [1, 'publisher'],
        [1, 'relay'],
      ],
    ]);
  });

  it('tell a stream’s bitrate from its second sample on', async () => {
    const samples = await sample(
      { streams: [{ ...stream, bytesIn: 500 }] },
      { streams: [{ ...stream, bytesIn: 1_500 }] },
    );
    assert.deepEqual(only(samples, 'live.stream.bitrate'), [[], [[8_000, 'live a']]]);
    assert.deepEqual(
      only(samples, 'live.stream.io')
        .flat()
        .filter(([, of]) => of === 'live a receive'),
      [
        [500, 'live a receive'],
        [1_000, 'live a receive'],
      ],
    );
  });

  it('never go backwards: a stream that began anew counts from zero, one that ended is no longer told', async () => {
    const samples = await sample(
      { streams: [{ ...stream, videoFrames: 100 }] },
      { streams: [{ ...stream, videoFrames: 30 }] },
      {},
    );
    assert.deepEqual(
      only(samples, 'live.stream.frames').map((figures) => figures.filter(([, of]) => of === 'live a video')),
      [[[100, 'live a video']], [[30, 'live a video']], []],
    );
  });

  it('cut names that would blow up every sample', async () => {
    const samples = await sample({ streams: [{ ...stream, name: 'x'.repeat(10_000) }] });
    const [figures] = only(samples, 'live.stream.viewers');
    assert.equal(String(figures?.[0]?.[1]).length, 'live '.length + MAX_NAME_LENGTH);
  });

  it('tell what each app uses, and nothing of one that nobody uses any more', async () => {
    const shop = (viewers: number, bytesOut: number) => ({
      apps: [{ app: 'shop', viewers, publishers: 1 - (viewers === 0 ? 1 : 0), bytesIn: 40, bytesOut }],
    });
    const samples = await sample(shop(2, 100), shop(0, 130), shop(0, 130), shop(1, 150));
    assert.deepEqual(only(samples, 'live.app.viewers'), [[[2, 'shop']], [[0, 'shop']], [], [[1, 'shop']]]);
    assert.deepEqual(only(samples, 'live.app.publishers'), [[[1, 'shop']], [[0, 'shop']], [], [[1, 'shop']]]);
    assert.deepEqual(
      only(samples, 'live.app.io').map((figures) => figures.filter(([, of]) => of === 'shop transmit')),
      [[[100, 'shop transmit']], [[30, 'shop transmit']], [], [[20, 'shop transmit']]],
    );
  });
});
