// Draining: streams leave a node without a gap, load balancers are told, it comes back, and with a deadline it ends, which
// costs those who are on it one gap; all by `weir drain`.
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
import { PersistentPublisher, PersistentViewer } from '../chaos/clients.ts';
import { weir } from './cli-process.ts';

/** A client connects again after some 300 ms; the machine may be busy. */
const ONE_GAP_MS = 4_000;
/** Its last quarter is a second. */
const DEADLINE_MS = 4_000;
const CROWD = 12;
const relays = (node: TestNode) => node.stats().connections.find(({ role }) => role === 'relay')?.open ?? 0;
const json = async (url: string) => {
  const response = await fetch(url);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};

describe('a node that is drained', () => {
  let nats: TestNats;
  let edgeA: TestNode;
  let edgeB: TestNode;
  let origins: TestNode[] = [];
  let publisher: ClipPublisher;
  let viewer: NotingViewer;
  const start = (name: string, role: 'edge' | 'origin') => {
    const relay = { lingerMs: 200, stallTimeoutMs: 1_000 };
    return startTestNode({ node: { name, role }, nats: { servers: [nats.url] }, relay } satisfies PartialConfig);
  };
  const drain = (...args: string[]) => weir(['drain', ...args, '--nats-servers', nats.url]);
  const carrying = () => origins.find((origin) => relays(origin) > 0);

  before(async () => {
    nats = await startNats();
    origins = await Promise.all([start('origin-1', 'origin'), start('origin-2', 'origin')]);
    [edgeA, edgeB] = await Promise.all([start('edge-a', 'edge'), start('edge-b', 'edge')]);
    publisher = await publishClip(edgeA.rtmpUrl('live/drained'));
    viewer = await playStream(edgeB.rtmpUrl('live/drained'));
    await waitFor('frames through an origin', () => viewer.frames(9).length > 50 && carrying() !== undefined);
  });
  after(async () => {
    viewer.close();
    await publisher.close();
    await Promise.all([edgeA, edgeB, ...origins].map((node) => node.close()));
    await nats.close();
  });

  it('as an origin hands its streams to the other, and the viewer misses no frame', async () => {
    const first = carrying() as TestNode;
    const moves = () => edgeB.stats().relaySwitches.find(({ cause }) => cause === 'moved')?.count ?? 0;
    const before = moves();
    const { status, stdout } = await drain(first.name, '--wait', '20');
    assert.deepEqual([status, stdout], [0, `${first.name} drains.\n${first.name} is empty.\n`]);
    const second = carrying() as TestNode;
    assert.notEqual(second.name, first.name);
    const count = viewer.frames(9).length;
    await waitFor('frames', () => viewer.frames(9).length > count + 50);
    assert.equal(viewer.isClosed, false);
    assert.deepEqual(faultsOf(viewer), []);
    const times = viewer.frames(9).map(({ timestamp }) => timestamp);
    assert.ok(
      times.slice(1).every((time, i) => time - (times[i] ?? 0) === 40),
      'a frame is missing',
    );
    assert.equal(moves(), before + 1);
    assert.equal(relays(first), 0, 'no relay was left behind');
  });

  it('is told to load balancers, and keeps its clients', async () => {
    const { weight } = (await json(edgeB.httpUrl('/weight'))).body;
    assert.ok(typeof weight === 'number' && weight > 0 && weight <= 100, String(weight));
    const { status, stderr } = await drain('edge-b', '--wait', '0.1');
    assert.equal(status, 1);
    assert.match(stderr, /0 publishers, 1 viewers and 0 relays are still on edge-b\. \[DRAIN_NOT_EMPTY\]/);
    assert.deepEqual(await json(edgeB.httpUrl('/weight')), { status: 200, body: { weight: 0 } });
    const ready = await json(edgeB.httpUrl('/readyz'));
    assert.deepEqual(ready, { status: 503, body: { ready: false, reasons: ['draining'] } });
    const count = viewer.frames(9).length;
    await waitFor('frames', () => viewer.frames(9).length > count + 25);
    const table = await weir(['nodes', '--nats-servers', nats.url]);
    assert.match(table.stdout, /edge-b +edge +draining +0 /);
  });

  it('serves again when told so', async () => {
    assert.equal((await drain('edge-b', '--undo')).stdout, 'edge-b serves again.\n');
    assert.deepEqual((await json(edgeB.httpUrl('/readyz'))).status, 200);
    assert.notDeepEqual((await json(edgeB.httpUrl('/weight'))).body, { weight: 0 });
  });

  it('must be one that exists', async () => {
    const unknown = await drain('edge-z');
    assert.equal(unknown.status, 1);
    assert.match(
      unknown.stderr,
      /There is no node edge-z: alive are origin-1, origin-2, edge-a, edge-b\. \[DRAIN_UNKNOWN\]/,
    );
    assert.match((await drain('no node')).stderr, /\[DRAIN_NODE\]/);
  });

  it('with a deadline ends, one client after the other, and costs each one gap: they connect again, publisher and viewers', async () => {
    /** First edge B, as long as it lives; then edge A. */
    const urls = () => {
      let calls = 0;
      return (stream: string) => {
        calls += 1;
        return (calls === 1 ? edgeB : edgeA).rtmpUrl(stream);
      };
    };
    const [there, onA] = [urls, () => (stream: string) => edgeA.rtmpUrl(stream)];
    const people = new PersistentPublisher('live/leaving', there());
    const viewers: PersistentViewer[] = [];
    try {
      await waitFor('the publisher', () => edgeB.streams().some(({ source }) => source === 'publisher'));
      viewers.push(...[there, there, there, onA].map((url) => new PersistentViewer('live/leaving', url())));
      viewers.push(new PersistentViewer('live/drained', there()));
      await waitFor('frames', () => viewers.every(({ frames }) => frames > 50));
      const crowd = await Promise.all(Array.from({ length: CROWD }, () => playStream(edgeB.rtmpUrl('live/drained'))));
      const cutsMs: number[] = [];
      for (const { client } of crowd) client.socket.once('close', () => cutsMs.push(performance.now()));
      for (const one of viewers) one.takeLongestPauseMs();
      const beganMs = performance.now();
      const deadline = ['--deadline', String(DEADLINE_MS / 1_000)];
      const { status, stdout, stderr } = await drain('edge-b', ...deadline, '--wait', '20');
      assert.equal(cutsMs.length, CROWD);
      assert.ok(Math.min(...cutsMs) - beganMs >= DEADLINE_MS * 0.75 - 250, 'nobody before the last quarter');
      // Four looks fit into that quarter: at the very least two of them cut somebody.
      assert.ok(new Set(cutsMs.map((ms) => Math.round(ms / 125))).size >= 2, 'not all at once');
      assert.equal(status, 0, stderr);
      // who looks in the moment between the last client's end and the node's finds it empty
      assert.match(stdout, /\nedge-b is (empty|gone)\.\n$/);
      await waitFor('its end', async () => !/edge-b/.test((await weir(['nodes', '--nats-servers', nats.url])).stdout));
      const seen = viewers.map(({ frames }) => frames);
      await waitFor('frames elsewhere', () => viewers.every(({ frames }, i) => frames > (seen[i] ?? 0) + 25));
      const pauses = viewers.map((one) => one.takeLongestPauseMs());
      assert.ok(Math.max(...pauses) <= ONE_GAP_MS, `pauses of ${pauses.join(', ')} ms`);
      assert.deepEqual(
        viewers.map(({ reconnects }) => reconnects),
        [1, 1, 1, 0, 1],
        'who was elsewhere kept its connection',
      );
    } finally {
      await Promise.all([people, ...viewers].map((one) => one.stop()));
    }
  });
});
