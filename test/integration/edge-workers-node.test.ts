// Several processes are one node: its limits hold for all of them together, and other nodes see one.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { PartialConfig } from '@weir/contracts/config/schema';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { startNats, type TestNats } from '@weir/test/harness/nats';
import {
  type ClipPublisher,
  faultsOf,
  type NotingViewer,
  playStream,
  publishClip,
} from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';

const WORKERS = 2;
const settings = (overrides: PartialConfig = {}): PartialConfig => ({
  ...overrides,
  node: { name: 'edge-a', ...overrides.node, workers: WORKERS },
});
const open = (node: TestNode, role: string) =>
  node
    .stats()
    .connections.filter((one) => one.role === role && one.protocol === 'rtmp')
    .reduce((sum, one) => sum + one.open, 0);

describe('limits of a node with two workers', () => {
  let node: TestNode;
  const viewers: NotingViewer[] = [];
  before(async () => {
    node = await startTestNode(settings({ node: { name: 'edge-l' }, limits: { connections: 6, viewersPerStream: 3 } }));
    await publishClip(node.rtmpUrl('live/demo'));
  });
  after(async () => {
    await node.close();
  });
  /** What a further viewer is told, on each worker in turn; undefined when it is let in. */
  const refusals = async (stream: string) => {
    const told: (string | undefined)[] = [];
    for (let i = 0; i < WORKERS; i += 1) {
      const answer = await playStream(node.rtmpUrl(stream), { timeoutMs: 1_000 }).catch(
        (error: Error) => error.message,
      );
      told.push(typeof answer === 'string' ? answer : undefined);
    }
    return told;
  };

  it('count viewers of a stream on all workers together', async () => {
    for (let i = 0; i < 3; i += 1) viewers.push(await playStream(node.rtmpUrl('live/demo')));
    for (const told of await refusals('live/demo')) assert.match(told ?? '', /live\/demo has 3 viewers/);
  });

  it('count connections on all workers together, and free places when clients leave', async () => {
    const publishers: ClipPublisher[] = [];
    for (let i = 0; i < 2; i += 1) {
      publishers.push(await waitFor('a place', () => publishClip(node.rtmpUrl(`live/other-${i}`))));
    }
    for (const told of await refusals('live/other-0')) assert.match(told ?? '', /full \(6 connections/);
    assert.equal((await fetch(node.httpUrl('/readyz'))).status, 503);
    viewers.pop()?.close();
    await waitFor('a place', () => playStream(node.rtmpUrl('live/other-0')));
  });
});

describe('a cluster of nodes with workers', () => {
  let nats: TestNats;
  let source: TestNode;
  let edge: TestNode;
  let publisher: ClipPublisher;
  before(async () => {
    nats = await startNats();
    const common = (name: string): PartialConfig => ({
      node: { name },
      nats: { servers: [nats.url] },
      relay: { lingerMs: 100 },
    });
    source = await startTestNode(common('edge-s'));
    edge = await startTestNode(settings(common('edge-t')));
    publisher = await publishClip(source.rtmpUrl('live/far'));
  });
  after(async () => {
    await publisher.close();
    await Promise.all([edge.close(), source.close()]);
    await nats.close();
  });

  it('pulls a stream from another node once, for the viewers of all workers', async () => {
    const viewers = await Promise.all(Array.from({ length: 2 * WORKERS }, () => playStream(edge.rtmpUrl('live/far'))));
    await waitFor('frames', () => viewers.every((viewer) => viewer.frames(9).length > 25));
    assert.equal(open(source, 'relay'), 1);
    assert.deepEqual(edge.stats().relayPulls, [{ state: 'live', count: 1 }]);
    for (const viewer of viewers) assert.deepEqual(faultsOf(viewer), []);
    for (const viewer of viewers) viewer.close();
    await waitFor('the pull to end', () => open(source, 'relay') === 0);
  });

  it('gives other nodes the streams published on any worker', async () => {
    const publishers = await Promise.all(
      Array.from({ length: WORKERS }, (_, i) => publishClip(edge.rtmpUrl(`live/near-${i}`))),
    );
    const viewers = await Promise.all(publishers.map((_, i) => playStream(source.rtmpUrl(`live/near-${i}`))));
    await waitFor('frames', () => viewers.every((viewer) => viewer.frames(9).length > 25));
    assert.equal(open(edge, 'relay'), WORKERS);
    assert.equal(open(edge, 'viewer'), 0);
    for (const viewer of viewers) viewer.close();
    await Promise.all(publishers.map((one) => one.close()));
  });
});
