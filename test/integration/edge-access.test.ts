// Who gets in and who does not, over RTMP and HTTP with real connections: each refusal says why and is counted by reason.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, it } from 'node:test';
import type { CloseReason } from '@weir/contracts/events';
import { signName } from '@weir/contracts/signed-name';
import type { CallbackBody } from '@weir/edge/access/callbacks';
import { RtmpClientError } from '@weir/edge/rtmp/client';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { publishFile } from '@weir/test/harness/ffmpeg';
import { CLIP_PATH, playStream, publishClip } from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';
import { weir } from './cli-process.ts';

const refusedCount = (node: TestNode, reason: CloseReason) =>
  node.stats().refused.reduce((sum, entry) => sum + (entry.reason === reason ? entry.count : 0), 0);
const closedCount = (node: TestNode, reason: CloseReason) =>
  node.stats().closed.reduce((sum, entry) => sum + (entry.reason === reason ? entry.count : 0), 0);
const refusedWith = (code: string, words: RegExp) => (error: unknown) =>
  error instanceof RtmpClientError && error.status?.code === code && words.test(error.status.description);
const viewersOf = (node: TestNode) => node.stats().streams.reduce((sum, { viewers }) => sum + viewers, 0);

describe('access to a node', () => {
  const closing: (() => unknown)[] = [];
  after(async () => {
    for (const close of closing.toReversed()) await close();
  });
  const start = async (...args: Parameters<typeof startTestNode>) => {
    const node = await startTestNode(...args);
    closing.push(() => node.close());
    return node;
  };

  it('by signed URL holds for one stream, one action and its time, for ffmpeg, RTMP, HTTP-FLV and WebSocket', async () => {
    const node = await start({ access: { publish: 'key', play: 'key', signingKeys: ['new', 'secret'] } });
    const expires = Math.floor(Date.now() / 1_000) + 600;
    const signed = (action: 'publish' | 'play', stream = 'live/clip', until = expires) =>
      `?${signName({ action, stream, expires: until }, 'secret')}`;

    const ffmpeg = publishFile(CLIP_PATH, node.rtmpUrl(`live/clip${signed('publish')}`));
    await waitFor('the stream', () => node.stats().streams.some(({ videoFrames }) => videoFrames > 0));
    const viewer = await playStream(node.rtmpUrl(`live/clip${signed('play')}`));
    await waitFor('frames', () => viewer.frames(9).length > 0);
    viewer.close();
    const response = await fetch(node.httpUrl(`/live/clip.flv${signed('play')}`));
    assert.equal(response.status, 200);
    await response.body?.cancel();

    const badName = 'NetStream.Publish.BadName';
    await assert.rejects(publishClip(node.rtmpUrl('live/other')), refusedWith(badName, /signed URL is needed/));
    const replayed = publishClip(node.rtmpUrl(`live/other${signed('publish')}`));
    await assert.rejects(replayed, refusedWith(badName, /not one to publish live\/other/));
    await assert.rejects(
      publishClip(node.rtmpUrl(`live/other${signed('publish', 'live/other', expires - 1_200)}`)),
      refusedWith(badName, /expired/),
    );
    await assert.rejects(
      playStream(node.rtmpUrl(`live/clip${signed('publish')}`)),
      refusedWith('NetStream.Play.Failed', /not one to play live\/clip/),
    );
    for (const [query, status, error] of [
      ['', 401, 'key-missing'],
      [signed('publish'), 403, 'signature-wrong'],
      [signed('play', 'live/clip', 5), 403, 'signature-expired'],
    ] as const) {
      const answer = await fetch(node.httpUrl(`/live/clip.flv${query}`));
      assert.equal(answer.status, status);
      const body = (await answer.json()) as { error: string; message: string };
      assert.equal(body.error, error);
      assert.match(body.message, /live\/clip/);
      assert.equal(answer.headers.get('access-control-allow-origin'), '*');
    }
    const upgrade = get(node.httpUrl('/live/clip.flv'), {
      headers: { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': 13, 'Sec-WebSocket-Key': 'x' },
    });
    const [refused] = (await once(upgrade, 'response')) as [IncomingMessage];
    assert.equal(refused.statusCode, 401);
    refused.resume();
    await waitFor('the counts', () => refusedCount(node, 'signature-wrong') === 3);
    assert.equal(refusedCount(node, 'signature-expired'), 2);
    assert.equal(refusedCount(node, 'key-missing'), 3);
    await ffmpeg.stop();
  });

  it('takes what weir sign prints', async () => {
    const node = await start({ access: { publish: 'key', signingKeys: ['a secret'] } });
    const base = node.rtmpUrl('').replace(/\/$/, '');
    const env = { WEIR_ACCESS_SIGNING_KEYS: 'a secret' };
    const { stdout, status } = await weir(['sign', 'publish', 'live/demo', '--ttl', '1h', '--url', base], { env });
    assert.equal(status, 0);
    const publisher = await publishClip(stdout.trim());
    await publisher.close();
    const keyless = await weir(['sign', 'publish', 'live/demo']);
    assert.equal(keyless.status, 1);
    assert.match(keyless.stderr, /access\.signingKeys.*\[SIGN_NO_KEY\]/);
    const forever = await weir(['sign', 'publish', 'live/demo', '--ttl', '1y'], { env });
    assert.match(forever.stderr, /12h.*\[SIGN_TTL\]/);
  });

  it('by address is refused in RTMP and HTTP words', async () => {
    const node = await start({ access: { deny: ['127.0.0.0/8'] } });
    await assert.rejects(
      publishClip(node.rtmpUrl('live/clip')),
      refusedWith('NetConnection.Connect.Rejected', /127\.0\.0\.1 may not connect/),
    );
    const answer = await fetch(node.httpUrl('/live/clip.flv'));
    assert.equal(answer.status, 403);
    await waitFor('the count', () => refusedCount(node, 'address-denied') === 2);
  });

  it('is limited per address, per stream and per app, and places come back', async () => {
    const node = await start({
      limits: { viewersPerStream: 2, apps: ['shop viewers=1 publishers=1'] },
    });
    const publisher = await publishClip(node.rtmpUrl('live/clip'));
    const viewers = [await playStream(node.rtmpUrl('live/clip')), await playStream(node.rtmpUrl('live/clip'))];
    await assert.rejects(
      playStream(node.rtmpUrl('live/clip')),
      refusedWith('NetStream.Play.Failed', /live\/clip has 2 viewers/),
    );
    const seller = await publishClip(node.rtmpUrl('shop/a'));
    await assert.rejects(
      publishClip(node.rtmpUrl('shop/b')),
      refusedWith('NetStream.Publish.BadName', /shop has 1 publishers/),
    );
    viewers.push(await playStream(node.rtmpUrl('shop/a')));
    const full = await fetch(node.httpUrl('/shop/a.flv'));
    assert.deepEqual([full.status, ((await full.json()) as { error: string }).error], [503, 'app-limit']);
    for (const viewer of viewers) viewer.close();
    await waitFor('the viewers to go', () => viewersOf(node) === 0);
    const again = await playStream(node.rtmpUrl('live/clip'));
    again.close();
    await Promise.all([publisher.close(), seller.close()]);
    await waitFor('the counts', () => refusedCount(node, 'stream-limit') >= 1 && refusedCount(node, 'app-limit') === 2);
  });

  it('is limited in connections of one address, over RTMP and HTTP together, and places come back', async () => {
    const node = await start({ limits: { connectionsPerIp: 3 } });
    const held = await Promise.all([1, 2].map((i) => publishClip(node.rtmpUrl(`live/held${i}`))));
    const response = await waitFor('media', () => fetch(node.httpUrl('/live/held1.flv')));
    await assert.rejects(
      publishClip(node.rtmpUrl('live/fourth')),
      refusedWith('NetConnection.Connect.Rejected', /127\.0\.0\.1 has 3 connections/),
    );
    const answer = await fetch(node.httpUrl('/live/held1.flv'));
    assert.deepEqual([answer.status, ((await answer.json()) as { error: string }).error], [429, 'ip-limit']);
    await response.body?.cancel();
    const fourth = await waitFor('the place', () => publishClip(node.rtmpUrl('live/fourth')));
    await Promise.all([...held, fourth].map((one) => one.close()));
  });

  it('is limited in new connections a second, for each address', async () => {
    const node = await start({ limits: { connectsPerIp: 1, connectsPerIpBurst: 3 } });
    const publishers = [];
    for (let i = 0; i < 3; i += 1) publishers.push(await publishClip(node.rtmpUrl(`live/${i}`)));
    await assert.rejects(
      publishClip(node.rtmpUrl('live/3')),
      refusedWith('NetConnection.Connect.Rejected', /too often .* try again in 1 s/),
    );
    const later = await waitFor('a token', () => publishClip(node.rtmpUrl('live/later')), { everyMs: 1_500 });
    await Promise.all([...publishers, later].map((one) => one.close()));
  });

  it('ends for a publisher that sends more than it may for long', async () => {
    const node = await start({ limits: { bitsPerPublisher: 200_000 } });
    const publisher = await publishClip(node.rtmpUrl('live/loud'), { speed: 4 });
    await publisher.closed;
    await waitFor('the count', () => closedCount(node, 'bitrate-limit') === 1);
    assert.match(publisher.statuses.at(-1)?.description ?? '', /bitrate-limit/);
  });

  it('asks a callback server about connect, publish and play, and tells it of the close with the same id', async () => {
    const asked: CallbackBody[] = [];
    const server = createServer((request, response) => {
      let text = '';
      request.on('data', (part: Buffer) => {
        text += part.toString();
      });
      request.on('end', () => {
        const body = JSON.parse(text) as CallbackBody;
        asked.push(body);
        const denied = body.stream === 'denied' || body.app === 'closed';
        response.writeHead(denied ? 403 : 200).end(denied ? '{"message":"No subscription."}' : '{}');
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    closing.push(() => server.close().closeAllConnections());
    const node = await start({ callbacks: { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` } });

    const publisher = await publishClip(node.rtmpUrl('live/clip?token=t1'));
    const viewer = await playStream(node.rtmpUrl('live/clip'));
    viewer.close();
    await waitFor('the close of the viewer', () => asked.some(({ event }) => event === 'close'));
    await publisher.close();
    await waitFor('both closes', () => asked.filter(({ event }) => event === 'close').length === 2);
    assert.deepEqual(asked.map(({ event }) => event).sort(), [
      'close',
      'close',
      'connect',
      'connect',
      'play',
      'publish',
    ]);
    const published = asked.find(({ event }) => event === 'publish');
    assert.deepEqual(
      [published?.app, published?.stream, published?.query, published?.clientAddress, published?.node],
      ['live', 'clip', { token: 't1' }, '127.0.0.1', 'edge-a'],
    );
    const close = asked.find(({ event, action }) => event === 'close' && action === 'publish');
    assert.equal(close?.id, published?.id);
    assert.equal(close?.reason, 'client-closed');
    assert.ok((close?.durationMs ?? 0) > 0);

    await assert.rejects(
      publishClip(node.rtmpUrl('live/denied')),
      refusedWith('NetStream.Publish.BadName', /No subscription/),
    );
    await assert.rejects(
      playStream(node.rtmpUrl('closed/x')),
      refusedWith('NetConnection.Connect.Rejected', /No subscription/),
    );
    const answer = await fetch(node.httpUrl('/live/denied.flv'));
    assert.deepEqual(
      [answer.status, await answer.json()],
      [403, { error: 'callback-denied', message: 'No subscription.' }],
    );
  });

  it('answers the stated default when the callback server is away, within its time-out', async () => {
    const url = 'http://127.0.0.1:1/';
    const strict = await start({ callbacks: { url, events: ['publish', 'play'] } });
    await assert.rejects(
      publishClip(strict.rtmpUrl('live/clip')),
      refusedWith('NetStream.Publish.BadName', /Nobody can say at present/),
    );
    await waitFor('the count', () => refusedCount(strict, 'callback-away') === 1);
    const lenient = await start({ callbacks: { url, whenAway: 'allow' } });
    const publisher = await publishClip(lenient.rtmpUrl('live/clip'));
    const viewer = await playStream(lenient.rtmpUrl('live/clip'));
    await waitFor('frames', () => viewer.frames(9).length > 3);
    viewer.close();
    await publisher.close();
  });
});
