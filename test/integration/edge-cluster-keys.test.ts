// The cluster's key is exchanged while streams flow: first everybody accepts the new one, then everybody signs with it, then
// the old one is worth nothing; nobody is cut off.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { signRelay } from '@weir/contracts/relay-auth';
import { RtmpClient } from '@weir/edge/rtmp/client';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { startNats, type TestNats } from '@weir/test/harness/nats';
import { faultsOf, playStream, publishClip } from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';

describe('the key of a cluster', () => {
  let nats: TestNats;
  let nodes: TestNode[] = [];
  let keys = ['old key'];
  const settings = (name: string, role: 'edge' | 'origin') => ({
    node: { name, role },
    nats: { servers: [nats.url] },
    relay: { keys, lingerMs: 100 },
  });
  const start = (name: string, role: 'edge' | 'origin') =>
    startTestNode(settings(name, role), { reread: () => settings(name, role) });
  const reload = async (next: string[]) => {
    keys = next;
    for (const { urls } of nodes) {
      const answer = await fetch(`${urls.admin}/v1/reload`, { method: 'POST' });
      assert.equal(answer.status, 200, await answer.text());
    }
  };
  /** How the relay listener of the publishing edge answers a member that signs with `key`. */
  const asks = async (key: string) => {
    const [host = '', port = ''] = (nodes[0] as TestNode).addresses.relay.split(':');
    const client = await RtmpClient.connect({ host, port: Number(port), app: 'live' });
    const claim = { node: 'edge-x', stream: 'live/kept', expires: Date.now() / 1_000 + 60, hops: 1 };
    try {
      await client.play(`kept?${signRelay(claim, key)}`);
      return 'let in';
    } catch {
      return 'refused';
    } finally {
      client.close();
    }
  };

  before(async () => {
    nats = await startNats();
    nodes = await Promise.all([start('edge-a', 'edge'), start('edge-b', 'edge'), start('origin-1', 'origin')]);
  });
  after(async () => {
    await Promise.all(nodes.map((node) => node.close()));
    await nats.close();
  });

  it('is exchanged without a cut, and the old one is worth nothing afterwards', async () => {
    const [a, b] = nodes as [TestNode, TestNode];
    const publisher = await publishClip(a.rtmpUrl('live/kept'));
    const viewer = await playStream(b.rtmpUrl('live/kept'));
    await waitFor('frames', () => viewer.frames(9).length > 50);
    assert.deepEqual([await asks('old key'), await asks('new key')], ['let in', 'refused']);
    await reload(['old key', 'new key']);
    assert.deepEqual([await asks('old key'), await asks('new key')], ['let in', 'let in']);
    await reload(['new key', 'old key']);
    await reload(['new key']);
    assert.deepEqual([await asks('old key'), await asks('new key')], ['refused', 'let in']);
    const count = viewer.frames(9).length;
    await waitFor('frames', () => viewer.frames(9).length > count + 25);
    assert.equal(viewer.isClosed, false);
    assert.deepEqual(faultsOf(viewer), []);
    const times = viewer.frames(9).map(({ timestamp }) => timestamp);
    assert.ok(
      times.slice(1).every((time, i) => time - (times[i] ?? 0) === 40),
      'no frame is missing',
    );
    const other = await publishClip(b.rtmpUrl('live/fresh'));
    const later = await playStream(a.rtmpUrl('live/fresh'));
    await waitFor('a new stream by the new key', () => later.frames(9).length > 10);
    later.close();
    viewer.close();
    await Promise.all([publisher.close(), other.close()]);
  });

  it('must be one: a reload without any changes nothing', async () => {
    keys = [];
    const [first] = nodes as [TestNode];
    const publisher = await publishClip(first.rtmpUrl('live/kept'));
    const answer = await fetch(`${first.urls.admin}/v1/reload`, { method: 'POST' });
    assert.notEqual(answer.status, 200);
    assert.equal(await asks('new key'), 'let in');
    await publisher.close();
  });
});
