// Claims beyond the ordinary: a cluster that has never seen NATS, two provisional claims, apps in which the newest wins.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { PartialConfig } from '@weir/contracts/config/schema';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { startNats, type TestNats } from '@weir/test/harness/nats';
import { faultsOf, playStream, publishClip } from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';

const relay = { lingerMs: 200, stallTimeoutMs: 1_000 };
const relays = (node: TestNode) => node.stats().connections.find(({ role }) => role === 'relay')?.open ?? 0;

/** A port that was free a moment ago: NATS comes up on it later. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('a cluster that has never seen NATS', () => {
  let natsPort: number;
  let nats: TestNats | undefined;
  let origins: TestNode[] = [];
  let edges: TestNode[] = [];
  const start = (name: string, role: 'edge' | 'origin', more: PartialConfig['relay'] = {}) =>
    startTestNode({
      node: { name, role },
      nats: { servers: [`nats://127.0.0.1:${natsPort}`] },
      relay: { ...relay, ...more },
    });

  before(async () => {
    natsPort = await freePort();
    origins = await Promise.all([start('origin-1', 'origin'), start('origin-2', 'origin')]);
    const configured = origins.map(({ name, addresses }) => `${name}=${addresses.relay}`);
    const names = ['edge-a', 'edge-b', 'edge-c'];
    edges = await Promise.all(names.map((name) => start(name, 'edge', { origins: [...configured] })));
  });
  after(async () => {
    await Promise.all([...edges, ...origins].map((node) => node.close()));
    await nats?.close();
  });

  it('plays on every edge what is published on one, through a configured origin, which was told', async () => {
    const [a, b, c] = edges as [TestNode, TestNode, TestNode];
    const publisher = await publishClip(a.rtmpUrl('live/cold'));
    const viewers = await Promise.all([b, c].map((edge) => playStream(edge.rtmpUrl('live/cold'))));
    await waitFor('frames', () => viewers.every((viewer) => viewer.frames(9).length > 50));
    assert.equal(origins.filter((origin) => relays(origin) === 2).length, 1, 'one origin carries it');
    for (const viewer of viewers) {
      assert.deepEqual(faultsOf(viewer), []);
      viewer.close();
    }
    await publisher.close();
  });

  it('forgets a stream when its publisher leaves, and finds it again on another edge', async () => {
    const [a, b, c] = edges as [TestNode, TestNode, TestNode];
    const first = await publishClip(a.rtmpUrl('live/comes-and-goes'));
    const viewer = await playStream(c.rtmpUrl('live/comes-and-goes'));
    await waitFor('frames', () => viewer.frames(9).length > 30);
    await first.close();
    const count = viewer.frames(9).length;
    const second = await publishClip(b.rtmpUrl('live/comes-and-goes'));
    await waitFor('frames of the second', () => viewer.frames(9).length > count + 50);
    assert.equal(viewer.isClosed, false);
    assert.deepEqual(faultsOf(viewer), []);
    viewer.close();
    await second.close();
  });

  it('leaves exactly one of two publishers of a name when NATS comes, and cuts nobody else', async () => {
    const [a, b, c] = edges as [TestNode, TestNode, TestNode];
    // Neither can know of the other: both are let in, provisionally.
    const [first, second] = await Promise.all([
      publishClip(a.rtmpUrl('live/twice')),
      publishClip(b.rtmpUrl('live/twice')),
    ]);
    const other = await publishClip(c.rtmpUrl('live/other'));
    const viewer = await playStream(a.rtmpUrl('live/other'));
    await waitFor('frames', () => viewer.frames(9).length > 20);
    nats = await startNats({ port: natsPort });
    const ends = [first, second].map((publisher) => publisher.client.socket);
    await waitFor('one to be closed', () => ends.some((socket) => socket.destroyed));
    const count = viewer.frames(9).length;
    // Longer than a lease: the winner keeps its claim, the others theirs.
    await waitFor('eight seconds of frames', () => viewer.frames(9).length > count + 200);
    assert.equal(ends.filter((socket) => socket.destroyed).length, 1);
    assert.equal(other.client.socket.destroyed, false);
    assert.equal(viewer.isClosed, false);
    assert.deepEqual(faultsOf(viewer), []);
    viewer.close();
    await Promise.all([first, second, other].map((publisher) => publisher.close()));
  });
});

describe('an app in which the newest publisher wins', () => {
  let nats: TestNats;
  let edges: TestNode[] = [];

  before(async () => {
    nats = await startNats();
    const start = (name: string) =>
      startTestNode({ node: { name }, nats: { servers: [nats.url] }, relay, stream: { newestWins: ['open'] } });
    edges = await Promise.all(['edge-a', 'edge-b', 'edge-c'].map(start));
  });
  after(async () => {
    await Promise.all(edges.map((node) => node.close()));
    await nats.close();
  });

  it('lets it replace the present one, on any edge, and viewers stay', async () => {
    const [a, b, c] = edges as [TestNode, TestNode, TestNode];
    let present = await publishClip(a.rtmpUrl('open/stream'));
    const viewer = await playStream(c.rtmpUrl('open/stream'));
    await waitFor('frames', () => viewer.frames(9).length > 30);
    for (const edge of [b, a, a]) {
      const count = viewer.frames(9).length;
      const next = await publishClip(edge.rtmpUrl('open/stream'));
      await present.closed;
      await waitFor('frames of the new one', () => viewer.frames(9).length > count + 75);
      assert.equal(next.client.socket.destroyed, false, 'it stays');
      present = next;
    }
    assert.equal(viewer.isClosed, false);
    assert.deepEqual(faultsOf(viewer), []);
    viewer.close();
    await present.close();
  });

  it('changes nothing for other apps', async () => {
    const [a, b] = edges as [TestNode, TestNode];
    const first = await publishClip(a.rtmpUrl('live/one'));
    await assert.rejects(publishClip(b.rtmpUrl('live/one')));
    await assert.rejects(publishClip(a.rtmpUrl('live/one')));
    assert.equal(first.client.socket.destroyed, false);
    await first.close();
  });
});
