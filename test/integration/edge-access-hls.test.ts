// Viewers by HLS under the same rules as all others: places, limits and quotas, kick, and names that nobody publishes.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { PartialConfig } from '@weir/contracts/config/schema';
import type { CloseReason } from '@weir/contracts/events';
import { signName } from '@weir/contracts/signed-name';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { type ClipPublisher, playStream, publishClip } from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';

const count = (node: TestNode, what: 'refused' | 'closed', reason: CloseReason) =>
  node
    .stats()
    [what].filter((entry) => entry.protocol === 'hls' && entry.reason === reason)
    .reduce((sum, entry) => sum + entry.count, 0);
const ask = async (node: TestNode, path: string) => {
  const response = await fetch(node.httpUrl(path));
  const text = await response.text();
  const error = text.startsWith('{') ? (JSON.parse(text) as { error: string; message?: string }) : undefined;
  return { status: response.status, error: error?.error, message: error?.message, text };
};
type Limits = NonNullable<PartialConfig['limits']>;
interface Connection {
  id: string;
  protocol: string;
  session: string;
  bytesOut: number;
}

describe('viewers by HLS', () => {
  let node: TestNode;
  let publisher: ClipPublisher;
  let limits: Limits = {};
  let access: NonNullable<PartialConfig['access']> = {};
  const config = (): PartialConfig => ({ hls: { segmentMs: 500, partMs: 200 }, limits, access });
  const reload = async (changed: Limits) => {
    limits = changed;
    const answer = await fetch(`${node.urls.admin}/v1/reload`, { method: 'POST' });
    assert.equal(answer.status, 200, await answer.text());
  };
  const viewers = async () => {
    const response = await fetch(`${node.urls.admin}/v1/connections?role=viewer`);
    return ((await response.json()) as { connections: Connection[] }).connections;
  };
  const room = async () =>
    ((await (await fetch(`${node.urls.admin}/v1/node`)).json()) as { connections: number }).connections;
  const watch = (session: string) => ask(node, `/shop/clip.m3u8?session=${session}`);
  const kick = async (session: string) => {
    const found = (await viewers()).find((one) => one.session === session);
    return fetch(`${node.urls.admin}/v1/connections/${found?.id}`, { method: 'DELETE' });
  };

  before(async () => {
    node = await startTestNode(config(), { reread: config });
    publisher = await publishClip(node.rtmpUrl('shop/clip'));
    await waitFor('a playlist', async () => (await watch('first')).status === 200);
  });
  after(async () => {
    await publisher.close();
    await node.close();
  });

  it('take a place each, as a publisher or an RTMP viewer does, and give it back', async () => {
    assert.equal(await room(), 2);
    assert.equal((await watch('second')).status, 200);
    assert.equal((await watch('second')).status, 200);
    assert.equal(await room(), 3);
    await reload({ connections: 3 });
    const full = await watch('third');
    assert.deepEqual([full.status, full.error], [503, 'limit']);
    assert.match(full.message ?? '', /full \(3 connections\)/);
    await assert.rejects(playStream(node.rtmpUrl('shop/clip')), /full \(3 connections\)/);
    assert.equal((await watch('first')).status, 200);
    assert.equal((await kick('second')).status, 200);
    assert.equal(await room(), 2);
    assert.equal((await watch('third')).status, 200);
    assert.equal(count(node, 'refused', 'limit'), 1);
  });

  it('are kicked for good, counted, and told so', async () => {
    await reload({});
    assert.equal((await watch('out')).status, 200);
    const before = count(node, 'closed', 'kicked');
    assert.equal((await kick('out')).status, 200);
    for (const path of ['/shop/clip.m3u8?session=out', '/shop/clip/hls/0-1.m4s?session=out']) {
      const answer = await ask(node, path);
      assert.deepEqual([answer.status, answer.error], [403, 'kicked']);
    }
    assert.equal(count(node, 'closed', 'kicked'), before + 1);
    assert.equal((await watch('first')).status, 200);
  });

  it('count against the limits of their address, their stream and their app, and the connect rate', async () => {
    const here = (await viewers()).filter(({ protocol }) => protocol === 'hls').length;
    const clients = await room();
    for (const [changed, status, error] of [
      [{ connectionsPerIp: clients }, 429, 'ip-limit'],
      [{ viewersPerStream: here }, 503, 'stream-limit'],
      [{ apps: [`shop viewers=${here}`] }, 503, 'app-limit'],
    ] as const) {
      await reload(changed as Limits);
      const answer = await watch(`new-${error}`);
      assert.deepEqual([answer.status, answer.error], [status, error]);
      assert.equal(count(node, 'refused', error), 1);
      assert.equal((await watch('first')).status, 200, 'who is in stays');
    }
    await reload({ connectsPerIp: 1, connectsPerIpBurst: 1 });
    const answers = [await watch('quick-1'), await watch('quick-2')];
    assert.deepEqual(
      answers.map(({ status, error }) => [status, error]),
      [
        [200, undefined],
        [429, 'connect-rate'],
      ],
    );
    await reload({});
  });

  it('are put out like others when their app is over its quota, and counted with their bytes', async () => {
    assert.equal((await watch('last')).status, 200);
    const total = (await viewers()).length;
    assert.ok((await viewers()).every(({ bytesOut }) => bytesOut > 0));
    await reload({ apps: [`shop viewers=${total - 1}`], appGraceMs: 3_000 });
    // Those who ask stay viewers; the newest of them goes.
    const sessions = (await viewers()).map(({ session }) => session).filter((session) => session !== 'last');
    await waitFor(
      'the newest to be out',
      async () => {
        for (const session of sessions) await watch(session);
        return (await watch('last')).error === 'app-limit';
      },
      { timeoutMs: 20_000, everyMs: 500 },
    );
    assert.equal(count(node, 'closed', 'app-limit'), 1);
    assert.equal((await watch('first')).status, 200);
    await reload({});
  });

  it('need a signature for their stream where one is asked for, on the playlist and on every file it names', async (t) => {
    access = { play: 'key', signingKeys: ['secret'] };
    t.after(() => {
      access = {};
      return reload({});
    });
    await reload({});
    const signed = (stream: string, seconds = 60) =>
      signName({ action: 'play', stream, expires: Math.floor(Date.now() / 1_000) + seconds }, 'secret');
    for (const [query, status, error] of [
      ['', 401, 'key-missing'],
      [signed('shop/other'), 403, 'signature-wrong'],
      [signed('shop/clip', -60), 403, 'signature-expired'],
    ] as const) {
      const answer = await ask(node, `/shop/clip.m3u8?session=signed&${query}`);
      assert.deepEqual([answer.status, answer.error], [status, error]);
    }
    // A stream that has just begun has parts and no whole segment yet.
    const file = await waitFor('a file', async () => {
      const playlist = await ask(node, `/shop/clip.m3u8?session=signed&${signed('shop/clip')}`);
      assert.equal(playlist.status, 200);
      return /^\S+\.m4s\?\S+$/m.exec(playlist.text)?.[0];
    });
    assert.equal((await ask(node, `/shop/${file}`)).status, 200);
    // Somebody else with the same file, without the right.
    const bare = await ask(node, `/shop/${file.split('?')[0]}?session=thief`);
    assert.deepEqual([bare.status, bare.error], [401, 'key-missing']);
  });

  it('that ask for many names that nobody publishes keep a bounded number of streams busy, and none for long', async () => {
    const names = Array.from({ length: 100 }, (_, i) => `nobody-${i}`);
    const asking = names.map((name) => ask(node, `/shop/${name}.m3u8`));
    const most = await waitFor('the taps', () => {
      const unknown = node.stats().streams.filter(({ name }) => name.startsWith('nobody')).length;
      return unknown >= 60 && unknown;
    });
    assert.ok(most <= 64, String(most));
    // What is published is not held up by them.
    assert.equal((await watch('beside')).status, 200);
    const statuses = (await Promise.all(asking)).map(({ status, error }) => `${status} ${error}`);
    assert.deepEqual([...new Set(statuses)].sort(), ['404 stream-not-found', '503 limit']);
    assert.equal(statuses.filter((status) => status.startsWith('404')).length, 64);
    await waitFor('them to be forgotten', () => node.stats().streams.every(({ name }) => !name.startsWith('nobody')));
  });

  it('that brought no session cannot come back by asking for a new one', async () => {
    const program = { 'user-agent': 'kicked-player' };
    const get = (path: string, agent = program) => fetch(node.httpUrl(path), { headers: agent });
    const path = '/shop/alone.m3u8';
    const other = await publishClip(node.rtmpUrl('shop/alone'));
    const choice = await waitFor('a session', async () => {
      const answer = await get(path);
      return answer.ok && answer.text();
    });
    const session = /session=([\w-]+)/.exec(choice)?.[1] ?? '';
    assert.equal((await get(`${path}?session=${session}`)).status, 200);
    // Waits for a segment that is not there yet when it is kicked.
    const playlist = await (await get(`${path}?session=${session}`)).text();
    const last = Number([...playlist.matchAll(/-(\d+)(?:\.\d+)?\.m4s/g)].at(-1)?.[1]);
    const waiting = get(`${path}?session=${session}&_HLS_msn=${last + 1}`);
    assert.equal((await kick(session)).status, 200);
    assert.equal((await waiting).status, 403);
    assert.equal((await get(path)).status, 403, 'without a session');
    assert.equal((await get(`${path}?session=${session}`)).status, 403, 'with the old one');
    assert.equal(
      (await get(path, { 'user-agent': 'another-player' })).status,
      200,
      'another program behind the address',
    );
    assert.equal((await get(`${path}?session=own`)).status, 200, 'who has a session of its own');
    await other.close();
  });
});
