// Quotas of a customer's app over two nodes that share them by NATS: who is refused, who is put out, and what each node does alone.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Kvm } from '@nats-io/kv';
import { connect } from '@nats-io/transport-node';
import type { PartialConfig } from '@weir/contracts/config/schema';
import type { CloseReason } from '@weir/contracts/events';
import { BUCKET } from '@weir/contracts/nats/names';
import { RtmpClientError } from '@weir/edge/rtmp/client';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { startNats, type TestNats } from '@weir/test/harness/nats';
import { type NotingViewer, playStream, publishClip } from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';

const GRACE_MS = 3_000;

interface Use {
  viewers: number;
  publishers: number;
  bitsPerSecond: number;
}
/** What a node says of an app, by its admin API. */
const useOf = async (
  node: TestNode,
  app: string,
): Promise<(Use & { cluster: Use; quota: Partial<Use> }) | undefined> => {
  const response = await fetch(`${node.urls.admin}/v1/apps`);
  const { apps } = (await response.json()) as { apps: (Use & { app: string; cluster: Use; quota: Partial<Use> })[] };
  return apps.find((one) => one.app === app);
};
const closedCount = (node: TestNode, reason: CloseReason) =>
  node.stats().closed.reduce((sum, entry) => sum + (entry.reason === reason ? entry.count : 0), 0);
const refusedWith = (code: string, words: RegExp) => (error: unknown) =>
  error instanceof RtmpClientError && error.status?.code === code && words.test(error.status.description);

describe('quotas of an app', () => {
  let nats: TestNats;
  let edges: TestNode[] = [];
  let apps: string[] = [];
  const config = (name: string): PartialConfig => ({
    node: { name },
    nats: { servers: [nats.url] },
    relay: { stallTimeoutMs: 500 },
    limits: { apps, appGraceMs: GRACE_MS },
  });
  const at = (i: number) => edges[i] as TestNode;
  const reload = async (quotas: string[]) => {
    apps = quotas;
    for (const edge of edges) {
      const answer = await fetch(`${edge.urls.admin}/v1/reload`, { method: 'POST' });
      assert.equal(answer.status, 200, await answer.text());
    }
  };

  before(async () => {
    nats = await startNats();
    apps = ['shop viewers=3 publishers=1'];
    edges = await Promise.all(
      ['edge-a', 'edge-b'].map((name) => startTestNode(config(name), { reread: () => config(name) })),
    );
  });
  after(async () => {
    for (const edge of edges) await edge.close();
    await nats.close();
  });

  it('hold for viewers and publishers of all nodes together', async () => {
    const publisher = await publishClip(at(0).rtmpUrl('shop/a'));
    const viewers = [
      await playStream(at(0).rtmpUrl('shop/a')),
      await playStream(at(1).rtmpUrl('shop/a')),
      await playStream(at(1).rtmpUrl('shop/a')),
    ];
    for (const edge of edges) {
      const used = await waitFor('the other’s figures', async () => {
        const now = await useOf(edge, 'shop');
        return now?.cluster.viewers === 3 && now;
      });
      assert.deepEqual([used.cluster.publishers, used.quota], [1, { viewers: 3, publishers: 1 }]);
      await assert.rejects(
        playStream(edge.rtmpUrl('shop/a')),
        refusedWith('NetStream.Play.Failed', /shop has 3 viewers, and may have no more than 3/),
      );
      await assert.rejects(
        publishClip(edge.rtmpUrl('shop/b')),
        refusedWith('NetStream.Publish.BadName', /shop has 1 publishers/),
      );
      const flv = await fetch(edge.httpUrl('/shop/a.flv'));
      assert.deepEqual([flv.status, ((await flv.json()) as { error: string }).error], [503, 'app-limit']);
    }
    // A place that is free on one node is free on the other, about a second later.
    viewers[1]?.close();
    const again = await waitFor('the place', () => playStream(at(0).rtmpUrl('shop/a')), { everyMs: 300 });
    assert.equal(
      edges.reduce((sum, edge) => sum + closedCount(edge, 'app-limit'), 0),
      0,
    );
    for (const viewer of [...viewers, again]) viewer.close();
    await publisher.close();
  });

  it('leave a publisher its place when it comes again after its network went silent, here or on another node', async () => {
    const isFull = refusedWith('NetStream.Publish.BadName', /may have no more than 1/);
    /** Refused on `edge`, once it has heard of the publisher. */
    const fullFor = (edge: TestNode, name: string) =>
      waitFor(`${name} to be refused`, () =>
        publishClip(edge.rtmpUrl(name)).then((other) => other.close().then(() => false), isFull),
      );
    let publisher = await publishClip(at(0).rtmpUrl('shop/a'));
    for (const edge of [at(0), at(1)]) {
      await fullFor(edge, 'shop/b');
      await assert.rejects(publishClip(edge.rtmpUrl('shop/a')), isFull);
      publisher.pause();
      const again = await waitFor('it to be let in', () => publishClip(edge.rtmpUrl('shop/a')), { timeoutMs: 15_000 });
      await publisher.closed;
      publisher = again;
      await fullFor(edge, 'shop/b');
    }
    await publisher.close();
    await waitFor('the place to be free', async () => !(await useOf(at(0), 'shop'))?.cluster.publishers);
  });

  it('count what a member says that can be read, and nothing else', async () => {
    const connection = await connect({ servers: nats.url });
    try {
      const bucket = await new Kvm(connection).open(BUCKET.usage);
      const says = (apps: unknown) => JSON.stringify({ node: 'other', apps });
      for (const garbage of [
        'no JSON',
        'null',
        says(null),
        says({ shop: null }),
        says({ shop: { viewers: -5, publishers: 0, bitsPerSecond: 0 } }),
        says({ shop: { viewers: 2, publishers: 0, bitsPerSecond: 0, newestViewers: 'many' } }),
        says({ shop: { viewers: '9', publishers: 0, bitsPerSecond: 0 } }),
      ]) {
        await bucket.put('other', garbage);
      }
      await bucket.put('another', says({ shop: { viewers: 2, publishers: 1, bitsPerSecond: 8_000 } }));
      /** Why node 0 takes no publisher of the app; empty when it does. */
      const refusal = async () => {
        const answer = await publishClip(at(0).rtmpUrl('shop/x')).catch((error: Error) => error.message);
        if (typeof answer === 'string') return answer;
        await answer.close();
        return '';
      };
      await waitFor('the other’s publisher', async () => (await refusal()).includes('shop has 1 publishers'));
      await assert.rejects(
        Promise.all([1, 2].map(() => playStream(at(0).rtmpUrl('shop/x'), { timeoutMs: 500 }))),
        /shop has 3 viewers/,
      );
      await bucket.delete('another');
      await waitFor('it to be gone', async () => (await refusal()) === '');
    } finally {
      await connection.close();
    }
  });

  it('that are lowered put out the newest after the grace, wherever they are, and tell them why', async () => {
    await reload(['shop viewers=5']);
    const publisher = await publishClip(at(0).rtmpUrl('shop/b'));
    const viewers: NotingViewer[] = [];
    for (const i of [0, 1, 0, 1, 0]) viewers.push(await playStream(at(i).rtmpUrl('shop/b')));
    const [oldest, second, ...newest] = viewers;
    await reload(['shop viewers=2']);
    await waitFor('the newest to go', () => newest.every(({ isClosed }) => isClosed), { timeoutMs: 5 * GRACE_MS });
    assert.match(newest[0]?.statuses.map(({ description }) => description).join() ?? '', /app-limit/);
    assert.deepEqual([closedCount(at(0), 'app-limit'), closedCount(at(1), 'app-limit')], [2, 1]);
    const frames = oldest?.frames(9).length ?? 0;
    await waitFor('the oldest to go on', () => (oldest?.frames(9).length ?? 0) > frames + 25 * (GRACE_MS / 1_000));
    assert.deepEqual([oldest?.isClosed, second?.isClosed], [false, false]);
    for (const viewer of viewers) viewer.close();
    await publisher.close();
  });

  it('in bits let nobody more in once they are used up, and put out the newest while the streams need more', async () => {
    await reload(['shop bitsPerSecond=100000000']);
    const publisher = await publishClip(at(1).rtmpUrl('shop/c'));
    const viewers: NotingViewer[] = [];
    for (const i of [0, 1, 1]) viewers.push(await playStream(at(i).rtmpUrl('shop/c')));
    const used = await waitFor('the bitrate of three', async () => {
      const now = await useOf(at(0), 'shop');
      return now?.cluster.viewers === 3 && now.cluster.bitsPerSecond > 2_000_000 && now;
    });
    assert.ok(used.bitsPerSecond < used.cluster.bitsPerSecond / 2);
    // Room for two and a half.
    await reload([`shop bitsPerSecond=${Math.round((used.cluster.bitsPerSecond * 2.5) / 3)}`]);
    await assert.rejects(
      playStream(at(0).rtmpUrl('shop/c')),
      refusedWith('NetStream.Play.Failed', /are sent all the \d+ bit\/s they may be sent/),
    );
    await waitFor('the newest to go', () => viewers[2]?.isClosed, { timeoutMs: 6 * GRACE_MS });
    assert.deepEqual([viewers[0]?.isClosed, viewers[1]?.isClosed], [false, false]);
    for (const viewer of viewers) viewer.close();
    await publisher.close();
  });

  it('are kept by each node for itself while NATS is away', async () => {
    await reload(['alone viewers=1']);
    const publishers = await Promise.all(edges.map((edge, i) => publishClip(edge.rtmpUrl(`alone/${i}`))));
    const first = await playStream(at(0).rtmpUrl('alone/0'));
    await waitFor('the other to hear of it', async () => (await useOf(at(1), 'alone'))?.cluster.viewers === 1);
    await nats.kill9();
    // What was heard counts as long as a lease.
    const second = await waitFor('its own quota', () => playStream(at(1).rtmpUrl('alone/1')), {
      timeoutMs: 20_000,
      everyMs: 500,
    });
    for (const edge of edges) {
      await assert.rejects(
        playStream(edge.rtmpUrl(edge === at(0) ? 'alone/0' : 'alone/1')),
        refusedWith('NetStream.Play.Failed', /alone has 1 viewers/),
      );
    }
    first.close();
    second.close();
    await Promise.all(publishers.map((one) => one.close()));
  });
});
