// The way of a stream from what its nodes say, also when they contradict each other.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ControlAnswer, NodeStream } from '@weir/contracts/nats/control';
import { type Hop, pathLine, streamPaths } from './stream-paths.ts';

const answer = (node: string, ...streams: Partial<NodeStream>[]): ControlAnswer => ({
  ok: true,
  node,
  draining: false,
  streams: streams.map((stream) => ({
    ...{ stream: 'live/a', source: 'relay', from: '', state: 'live', viewers: 0, epoch: 5, hops: 0 },
    ...stream,
  })),
});
const text = ({ node, viewers, next }: Hop): string =>
  `${node}:${viewers}${next.length === 0 ? '' : `(${next.map(text).join(' ')})`}`;
const paths = (...answers: ControlAnswer[]) => streamPaths(answers).map(({ roots }) => roots.map(text).join(' | '));

describe('the path of a stream', () => {
  const published = answer('edge-1', { source: 'publisher', state: 'idle', viewers: 1 });

  it('leads from the publishing edge over the origin to the edges', () => {
    const all = [
      published,
      answer('origin-1', { from: 'edge-1' }),
      answer('edge-3', { from: 'origin-1', viewers: 3 }),
      answer('edge-2', { from: 'origin-1', viewers: 2 }),
    ];
    assert.deepEqual(paths(...all), ['edge-1:1(origin-1:0(edge-2:2 edge-3:3))']);
    const [path] = streamPaths(all);
    assert.deepEqual([path?.viewers, path?.publisher, path?.publishedAtMs], [6, 'edge-1', 5]);
    assert.equal(path && pathLine(path), 'edge-1 (1) → origin-1 → edge-2 (2), edge-3 (3)');
  });

  it('is one line also when it leads from one node two ways', () => {
    const all = [
      published,
      answer('origin-1', { from: 'edge-1' }),
      answer('edge-2', { from: 'edge-1', viewers: 4 }),
      answer('edge-3', { from: 'origin-1', viewers: 3 }),
      answer('edge-9', { from: 'origin-7', viewers: 2 }),
    ];
    const [path] = streamPaths(all);
    assert.equal(path && pathLine(path), 'edge-1 (1) → edge-2 (4), [origin-1 → edge-3 (3)] and edge-9 (2)');
  });

  it('is shown as far as it is known when a node does not answer, or nobody publishes', () => {
    assert.deepEqual(paths(published, answer('edge-2', { from: 'origin-9', viewers: 2 })), ['edge-1:1 | edge-2:2']);
    assert.deepEqual(paths(answer('edge-2', { source: 'none', state: 'waiting' })), ['edge-2:0']);
    const lost = { ok: false, node: 'edge-7', message: 'no' } as const;
    assert.deepEqual(paths(lost), []);
  });

  it('ends when two nodes say that they pull from each other', () => {
    const circle = [answer('edge-1', { from: 'edge-2' }), answer('edge-2', { from: 'edge-1', viewers: 1 })];
    assert.deepEqual(paths(...circle), ['edge-1:0(edge-2:1)']);
  });

  it('keeps streams apart, in the order of their names', () => {
    const all = [answer('edge-1', { stream: 'live/10' }, { stream: 'live/9' }), answer('edge-2', { stream: 'a/1' })];
    assert.deepEqual(
      streamPaths(all).map(({ stream }) => stream),
      ['a/1', 'live/9', 'live/10'],
    );
  });
});
