// The admin API of a real node: who may use it, what it shows, what it does to clients that are on, and what is written down.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, describe, it } from 'node:test';
import type { PartialConfig } from '@weir/contracts/config/schema';
import type { CloseReason } from '@weir/contracts/events';
import { RtmpClientError } from '@weir/edge/rtmp/client';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { faultsOf, playStream, publishClip } from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';
import { WebSocket } from 'ws';

const closedCount = (node: TestNode, reason: CloseReason) =>
  node.stats().closed.reduce((sum, entry) => sum + (entry.reason === reason ? entry.count : 0), 0);
const refusedWith = (code: string, words: RegExp) => (error: unknown) =>
  error instanceof RtmpClientError && error.status?.code === code && words.test(error.status.description);

interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: an answer is looked at, not used
  body: any;
}

describe('the admin API', () => {
  const closing: (() => unknown)[] = [];
  after(async () => {
    for (const close of closing.toReversed()) await close();
  });
  const start = async (...args: Parameters<typeof startTestNode>) => {
    const node = await startTestNode(...args);
    closing.push(() => node.close());
    return node;
  };
  const ask = async (node: TestNode, method: string, path: string, init: RequestInit = {}): Promise<Answer> => {
    const response = await fetch(`${node.urls.admin}${path}`, { method, ...init });
    return { status: response.status, body: await response.json() };
  };
  const post = (node: TestNode, path: string, body: object) =>
    ask(node, 'POST', path, { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } });

  it('shows streams, connections and what each app uses', async () => {
    const node = await start();
    const publisher = await publishClip(node.rtmpUrl('shop/clip'));
    const viewer = await playStream(node.rtmpUrl('shop/clip?session=s1'));
    await waitFor('a rate', async () => (await ask(node, 'GET', '/v1/apps')).body.apps[0].bitsPerSecond > 0);
    const { body: apps } = await ask(node, 'GET', '/v1/apps');
    assert.deepEqual([apps.apps[0].app, apps.apps[0].viewers, apps.apps[0].publishers], ['shop', 1, 1]);
    const { body: streams } = await ask(node, 'GET', '/v1/streams');
    assert.deepEqual(
      [streams.streams[0].name, streams.streams[0].viewers, streams.streams[0].source],
      ['clip', 1, 'publisher'],
    );
    const { body: all } = await ask(node, 'GET', '/v1/connections');
    assert.equal(all.total, 2);
    const { body: viewers } = await ask(node, 'GET', '/v1/connections?role=viewer&limit=1');
    assert.deepEqual(
      [viewers.total, viewers.connections[0].session, viewers.connections[0].clientAddress],
      [1, 's1', '127.0.0.1'],
    );
    assert.ok(viewers.connections[0].bytesOut > 0);
    assert.equal((await ask(node, 'GET', '/v1/connections?limit=0')).status, 400);
    const { body: self } = await ask(node, 'GET', '/v1/node');
    assert.deepEqual([self.node, self.draining, self.connections], ['edge-a', false, 2]);
    viewer.close();
    await publisher.close();
  });

  it('kicks one viewer and no other, and then a publisher, telling them', async () => {
    const node = await start();
    const publisher = await publishClip(node.rtmpUrl('live/clip'));
    const kicked = await playStream(node.rtmpUrl('live/clip?session=out'));
    const other = await playStream(node.rtmpUrl('live/clip?session=stays'));
    const { body } = await ask(node, 'GET', '/v1/connections?role=viewer');
    const id = body.connections.find(({ session }: { session: string }) => session === 'out').id;
    assert.equal((await ask(node, 'DELETE', `/v1/connections/${id}`)).status, 200);
    await waitFor('the end', () => kicked.isClosed);
    assert.match(kicked.statuses.map(({ description }) => description).join(), /kicked/);
    const frames = other.frames(9).length;
    await waitFor('the other to go on', () => other.frames(9).length > frames + 10);
    assert.deepEqual(faultsOf(other), []);
    await waitFor('the count', () => closedCount(node, 'kicked') === 1);
    assert.equal((await ask(node, 'DELETE', `/v1/connections/${id}`)).status, 404);

    const { body: publishers } = await ask(node, 'GET', '/v1/connections?role=publisher');
    const socket = new WebSocket(`ws://${node.addresses.http}/live/clip.flv?session=browser`);
    await once(socket, 'message');
    const { body: more } = await ask(node, 'GET', '/v1/connections?role=viewer');
    const browser = more.connections.find(({ session }: { session: string }) => session === 'browser');
    const ended = once(socket, 'close');
    await ask(node, 'DELETE', `/v1/connections/${browser.id}`);
    const [code, reason] = (await ended) as [number, Buffer];
    assert.deepEqual([code, reason.toString()], [1_008, 'kicked']);
    await ask(node, 'DELETE', `/v1/connections/${publishers.connections[0].id}`);
    await publisher.closed;
    await waitFor('the count', () => closedCount(node, 'kicked') === 3);
    other.close();
  });

  it('lets nobody in without the token, and says how', async () => {
    const node = await start({ admin: { token: 'let me in' } });
    const denied = await ask(node, 'GET', '/v1/streams');
    assert.deepEqual([denied.status, denied.body.error], [401, 'denied']);
    assert.match(denied.body.message, /Authorization: Bearer/);
    const wrong = await ask(node, 'GET', '/v1/streams', { headers: { Authorization: 'Bearer let me' } });
    assert.equal(wrong.status, 401);
    const right = await ask(node, 'GET', '/v1/streams', { headers: { Authorization: 'Bearer let me in' } });
    assert.equal(right.status, 200);
    assert.equal((await ask(node, 'GET', '/healthz')).status, 200);
    assert.equal((await ask(node, 'GET', '/readyz')).status, 200);
  });

  it('without a token is for this machine’s programs only, not for web pages open on it', async () => {
    const node = await start();
    const page = await ask(node, 'GET', '/v1/node', { headers: { Origin: 'https://example.org' } });
    assert.deepEqual([page.status, page.body.error], [403, 'denied']);
    await assert.rejects(startTestNode({ admin: { host: '0.0.0.0' } }), { code: 'EDGE_ADMIN_TOKEN' });
  });

  it('describes itself as OpenAPI, every route with its answers', async () => {
    const node = await start();
    const { body } = await ask(node, 'GET', '/openapi.json');
    assert.match(body.openapi, /^3\.1/);
    const routes = Object.entries<Record<string, { summary?: string; responses: object }>>(body.paths).flatMap(
      ([path, methods]) => Object.entries(methods).map(([method, route]) => ({ what: `${method} ${path}`, ...route })),
    );
    assert.deepEqual(routes.map(({ what }) => what).sort(), [
      'delete /v1/connections/{id}',
      'delete /v1/drain',
      'get /healthz',
      'get /readyz',
      'get /v1/apps',
      'get /v1/connections',
      'get /v1/drain',
      'get /v1/node',
      'get /v1/streams',
      'post /v1/drain',
      'post /v1/reload',
    ]);
    for (const { what, summary, responses } of routes) assert.ok(summary && '200' in responses, what);
    assert.equal((await ask(node, 'GET', '/v1/nothing')).status, 404);
  });

  it('puts what can change live in force, and names what cannot without changing anything', async () => {
    let own: PartialConfig = {};
    const node = await start({}, { reread: () => own });
    const publisher = await publishClip(node.rtmpUrl('live/clip'));
    const viewer = await playStream(node.rtmpUrl('live/clip'));
    own = {
      limits: { connections: 2 },
      stream: { mergeWindowMinMs: 40 },
      rtmp: { chunkSizeBytes: 8_192 },
      site: 'moon',
    };
    const refused = await post(node, '/v1/reload', {});
    assert.deepEqual([refused.status, refused.body.error], [409, 'EDGE_RELOAD_RESTART']);
    assert.match(refused.body.message, /rtmp\.chunkSizeBytes, site can only change with a restart/);
    assert.equal(node.stats().connectionLimit, 8_000);

    own = { access: { deny: ['nonsense'] }, limits: { connections: 2 } };
    assert.equal((await post(node, '/v1/reload', {})).body.error, 'EDGE_ACCESS_NETWORK');
    own = { stream: { mergeWindowMinMs: 400 }, limits: { connections: 2 } };
    assert.equal((await post(node, '/v1/reload', {})).body.error, 'EDGE_MERGE_WINDOW');
    assert.equal(node.stats().connectionLimit, 8_000);

    own = { limits: { connections: 2 }, stream: { mergeWindowMinMs: 40 } };
    const { body, status } = await post(node, '/v1/reload', {});
    assert.deepEqual([status, body.changed], [200, ['limits.connections', 'stream.mergeWindowMinMs']]);
    await assert.rejects(playStream(node.rtmpUrl('live/clip')), refusedWith('NetConnection.Connect.Rejected', /full/));
    await waitFor('the window', () => node.stats().mergeWindowMs >= 40);
    own = { access: { publish: 'key', signingKeys: ['k'] } };
    assert.equal((await post(node, '/v1/reload', {})).status, 200);
    await assert.rejects(publishClip(node.rtmpUrl('live/new')), refusedWith('NetStream.Publish.BadName', /key/));
    const frames = viewer.frames(9).length;
    await waitFor('those who are on to go on', () => viewer.frames(9).length > frames + 10);
    assert.deepEqual(faultsOf(viewer), []);
    viewer.close();
    await publisher.close();
  });

  it('drains: nobody new, whoever knows how is asked to reconnect, and it can be undone', async () => {
    const node = await start();
    const publisher = await publishClip(node.rtmpUrl('live/clip'));
    const { body } = await post(node, '/v1/drain', {});
    assert.deepEqual([body.draining, body.endsAtMs, body.told], [true, null, 0]);
    assert.deepEqual((await ask(node, 'GET', '/readyz')).body, { ready: false, reasons: ['draining'] });
    await assert.rejects(
      playStream(node.rtmpUrl('live/clip')),
      refusedWith('NetConnection.Connect.Rejected', /going out of service/),
    );
    const { sent } = publisher;
    await waitFor('the publisher to go on', () => publisher.sent > sent + 20 && !publisher.client.socket.destroyed);
    assert.equal((await ask(node, 'DELETE', '/v1/drain')).body.draining, false);
    const viewer = await playStream(node.rtmpUrl('live/clip'));
    viewer.close();
    await publisher.close();
  });

  it('drains to an end: when it is empty, or at the deadline with clients told', async () => {
    const empty = await start();
    const last = await publishClip(empty.rtmpUrl('live/clip'));
    await post(empty, '/v1/drain', { deadlineSeconds: 60 });
    await last.close();
    assert.equal(await empty.ended, 'drained');

    const busy = await start();
    const publisher = await publishClip(busy.rtmpUrl('live/clip'));
    await post(busy, '/v1/drain', { deadlineSeconds: 1 });
    await publisher.closed;
    assert.match(publisher.statuses.at(-1)?.description ?? '', /shutdown/);
    assert.equal(await busy.ended, 'drained');
  });
});
