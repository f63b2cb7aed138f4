// One node with real clients: what plays, what is refused and how, what bad input does.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { WeirError } from '@weir/contracts/errors';
import type { CloseReason } from '@weir/contracts/events';
import { RtmpClient, RtmpClientError } from '@weir/edge/rtmp/client';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { probe, publishFile } from '@weir/test/harness/ffmpeg';
import { CLIP_PATH, type ClipPublisher, faultsOf, playStream, publishClip } from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';

const refusedCount = (node: TestNode, reason: CloseReason) =>
  node.stats().refused.reduce((sum, entry) => sum + (entry.reason === reason ? entry.count : 0), 0);
const closedCount = (node: TestNode, reason: CloseReason) =>
  node.stats().closed.reduce((sum, entry) => sum + (entry.reason === reason ? entry.count : 0), 0);
const refusedWith = (code: string) => (error: unknown) =>
  error instanceof RtmpClientError && error.status?.code === code && error.status.description !== '';

function rawSocket(node: TestNode): Socket {
  const [host = '', port = ''] = node.addresses.rtmp.split(':');
  return connect(Number(port), host).on('error', () => {});
}

describe('a node', () => {
  let node: TestNode;
  let publisher: ClipPublisher;
  const started: TestNode[] = [];
  const start = async (...args: Parameters<typeof startTestNode>) => {
    const one = await startTestNode(...args);
    started.push(one);
    return one;
  };

  before(async () => {
    node = await start({ stream: { notFoundWaitMs: 300 }, rtmp: { handshakeTimeoutMs: 1_000 } });
    publisher = await publishClip(node.rtmpUrl('live/clip'));
  });
  after(async () => {
    await Promise.all(started.map((one) => one.close()));
  });

  it('takes a stream from ffmpeg and gives ffprobe the same codecs, resolution and frame timing over RTMP and HTTP-FLV', async () => {
    const ffmpeg = publishFile(CLIP_PATH, node.rtmpUrl('live/ffmpeg'));
    await waitFor('the stream', () =>
      node.stats().streams.some(({ name, videoFrames }) => name === 'ffmpeg' && videoFrames > 0),
    );
    for (const url of [node.rtmpUrl('live/ffmpeg'), node.httpUrl('/live/ffmpeg.flv')]) {
      const { streams, packets } = await probe(url, 3);
      const video = streams.find(({ codec_type }) => codec_type === 'video');
      const audio = streams.find(({ codec_type }) => codec_type === 'audio');
      assert.deepEqual([video?.codec_name, video?.width, video?.height], ['h264', 1_280, 720]);
      assert.deepEqual([audio?.codec_name, audio?.sample_rate, audio?.channels], ['aac', '48000', 2]);
      const times = packets.filter(({ codec_type }) => codec_type === 'video').map(({ dts_time }) => Number(dts_time));
      assert.ok(times.length > 50, `${times.length} frames`);
      const steps = times.slice(1).map((time, i) => Math.round((time - (times[i] ?? 0)) * 1_000));
      assert.ok(
        steps.every((step) => step === 40),
        `${url}: steps ${[...new Set(steps)]}`,
      );
    }
    await ffmpeg.stop();
  });

  it('shows a newcomer the first frame at once, out of the GOP cache', async () => {
    await waitFor('a whole GOP', () =>
      node.stats().streams.some(({ name, videoFrames }) => name === 'clip' && videoFrames > 60),
    );
    const viewer = await playStream(node.rtmpUrl('live/clip'));
    await waitFor('a frame', () => viewer.firstFrameMs !== undefined);
    assert.ok((viewer.firstFrameMs ?? Infinity) < 500, `${viewer.firstFrameMs} ms`);
    const [first] = viewer.frames(9);
    assert.equal((first?.payload[0] ?? 0) >> 4, 1, 'a key frame comes first');
    await waitFor('more than a GOP', () => viewer.frames(9).length > 60);
    assert.deepEqual(faultsOf(viewer), []);
    viewer.close();
  });

  it('sends FLV inside WebSocket frames, and lets pages of any origin read it', async () => {
    const socket = new WebSocket(node.httpUrl('/live/clip.flv').replace('http', 'ws'));
    socket.binaryType = 'arraybuffer';
    const parts: Buffer[] = [];
    socket.addEventListener('message', ({ data }) => parts.push(Buffer.from(data as ArrayBuffer)));
    await waitFor('media', () => parts.reduce((sum, part) => sum + part.length, 0) > 50_000);
    socket.close();
    const flv = Buffer.concat(parts);
    assert.equal(flv.toString('latin1', 0, 3), 'FLV');
    assert.deepEqual([flv[4], flv[13]], [5, 18], 'header with audio and video, then metadata');
    const response = await fetch(node.httpUrl('/live/clip.flv'));
    assert.equal(response.headers.get('access-control-allow-origin'), '*');
    assert.equal(response.headers.get('content-type'), 'video/x-flv');
    await response.body?.cancel();
    const head = await fetch(node.httpUrl('/live/clip.flv'), { method: 'HEAD' });
    assert.deepEqual(
      [head.status, head.headers.get('allow')],
      [405, 'GET, OPTIONS'],
      'it says nothing about the stream',
    );
  });

  it('refuses a second publisher with BadName, and the first goes on', async () => {
    await assert.rejects(publishClip(node.rtmpUrl('live/clip')), refusedWith('NetStream.Publish.BadName'));
    await waitFor('the count', () => refusedCount(node, 'stream-busy') === 1);
    const { sent } = publisher;
    await waitFor('the first to go on', () => publisher.sent > sent + 20);
    assert.equal(publisher.client.socket.destroyed, false);
  });

  it('lets another take the name of a publisher that went silent', async () => {
    const stale = await start({ relay: { stallTimeoutMs: 200 } });
    const first = await publishClip(stale.rtmpUrl('live/stale'));
    await waitFor('media', () => stale.stats().streams.some(({ videoFrames }) => videoFrames > 5));
    first.pause();
    const second = await waitFor('the second to be let in', () => publishClip(stale.rtmpUrl('live/stale')));
    await first.closed;
    await waitFor('the count', () => closedCount(stale, 'idle') === 1);
    await second.close();
  });

  it('answers StreamNotFound for an unknown stream after the configured wait, over RTMP and HTTP', async () => {
    const askedMs = performance.now();
    await assert.rejects(playStream(node.rtmpUrl('live/nobody')), refusedWith('NetStream.Play.StreamNotFound'));
    assert.ok(performance.now() - askedMs >= 300);
    const response = await fetch(node.httpUrl('/live/nobody.flv'));
    assert.equal(response.status, 404);
    assert.deepEqual(await response.json(), { error: 'stream-not-found' });
    await waitFor(
      'the counts',
      () => node.stats().refused.filter(({ reason }) => reason === 'stream-not-found').length === 2,
    );
    assert.equal(
      node.stats().streams.some(({ name }) => name === 'nobody'),
      false,
    );
  });

  it('starts a viewer who came first as soon as the publisher comes', async () => {
    const patient = await start({ stream: { notFoundWaitMs: 10_000 } });
    const playing = playStream(patient.rtmpUrl('live/later'));
    await waitFor('the viewer', () => patient.stats().streams.some(({ viewers }) => viewers === 1));
    const later = await publishClip(patient.rtmpUrl('live/later'));
    const viewer = await playing;
    await waitFor('frames', () => viewer.frames(9).length > 3);
    viewer.close();
    await later.close();
  });

  it('closes a connection that sends garbage, counts it, and lives', async () => {
    const before = refusedCount(node, 'bad-handshake');
    const socket = rawSocket(node);
    socket.write('GET / HTTP/1.1\r\n\r\n');
    await once(socket, 'close');
    await waitFor('the count', () => refusedCount(node, 'bad-handshake') === before + 1);

    const afterHandshake = rawSocket(node);
    afterHandshake.write(Buffer.concat([Buffer.from([3]), Buffer.alloc(1_536 * 2), Buffer.alloc(500, 0xff)]));
    await once(afterHandshake.resume(), 'close');
    await waitFor('the count', () => refusedCount(node, 'protocol-error') === 1);
    assert.equal(publisher.client.socket.destroyed, false);
  });

  it('counts a connection that never speaks as silent, whether it leaves or is closed', async () => {
    const leaves = rawSocket(node);
    await once(leaves, 'connect');
    leaves.destroy();
    const stays = rawSocket(node);
    await once(stays.resume(), 'close');
    await waitFor('the counts', () => refusedCount(node, 'silent') === 2);
  });

  it('answers commands out of order, unknown names and odd names without harm', async () => {
    const [host = '', port = ''] = node.addresses.rtmp.split(':');
    const connectTo = (app: string) => RtmpClient.connect({ host, port: Number(port), app, timeoutMs: 5_000 });
    for (const name of ['../../etc/passwd', 'x'.repeat(10_000), 'a\u0000b', '']) {
      const client = await connectTo('live');
      await assert.rejects(client.publish(name), refusedWith('NetStream.Publish.BadName'), name.slice(0, 20));
      client.close();
    }
    const odd = await publishClip(node.rtmpUrl(`live/${encodeURIComponent('übung 直播')}`));
    await waitFor('the stream', () => node.stats().streams.some(({ name }) => name === 'übung 直播'));
    await odd.close();
  });

  it('ends a stream for its viewers when the publisher stays away for the grace time', async () => {
    const short = await start({ stream: { publisherGraceMs: 300 } });
    const brief = await publishClip(short.rtmpUrl('live/brief'));
    const viewer = await playStream(short.rtmpUrl('live/brief'));
    await waitFor('frames', () => viewer.frames(9).length > 3);
    await brief.close();
    await waitFor('the end', () => viewer.isClosed);
    assert.ok(viewer.statuses.some(({ code }) => code === 'NetStream.Play.UnpublishNotify'));
    await waitFor('the count', () => closedCount(short, 'stream-ended') === 1);
  });

  it('keeps viewers over a publisher’s return, with monotonic timestamps', async () => {
    const first = await publishClip(node.rtmpUrl('live/returns'));
    const viewer = await playStream(node.rtmpUrl('live/returns'));
    await waitFor('frames', () => viewer.frames(9).length > 60);
    await first.close();
    const second = await publishClip(node.rtmpUrl('live/returns'));
    const count = viewer.frames(9).length;
    await waitFor('frames of the second', () => viewer.frames(9).length > count + 30);
    assert.equal(viewer.isClosed, false);
    assert.deepEqual(faultsOf(viewer), []);
    viewer.close();
    await second.close();
  });

  it('over its connection limit says so', async () => {
    const full = await start({ limits: { connections: 2 } });
    const one = await publishClip(full.rtmpUrl('live/one'));
    const viewer = await playStream(full.rtmpUrl('live/one'));
    await assert.rejects(playStream(full.rtmpUrl('live/one')), refusedWith('NetConnection.Connect.Rejected'));
    const response = await fetch(full.httpUrl('/live/one.flv'));
    assert.equal(response.status, 503);
    assert.match(await response.text(), /full \(2 connections\)/);
    assert.equal((await fetch(full.httpUrl('/readyz'))).status, 503);
    assert.equal((await fetch(full.httpUrl('/healthz'))).status, 200);
    viewer.close();
    await waitFor('room', async () => (await fetch(full.httpUrl('/readyz'))).ok);
    const again = await playStream(full.rtmpUrl('live/one'));
    await waitFor('the count', () => refusedCount(full, 'limit') === 2);
    again.close();
    await one.close();
  });

  it('holds little for a viewer who stops reading, puts them out with a reason, and the others lose nothing', async () => {
    const strict = await start({ stream: { viewerQueueBytes: 200_000, viewerQueueMs: 500 } });
    const fast = await publishClip(strict.rtmpUrl('live/fast'), { speed: 40 });
    const slow = await playStream(strict.rtmpUrl('live/fast'));
    const quick = await playStream(strict.rtmpUrl('live/fast'));
    slow.client.socket.pause();
    let most = 0;
    await waitFor('the slow one to be put out', () => {
      most = Math.max(most, strict.stats().sendQueueBytes);
      return closedCount(strict, 'slow-viewer') === 1;
    });
    assert.ok(most < 2_000_000, `${most} bytes were queued`);
    assert.ok(strict.stats().framesDropped > 0);
    assert.deepEqual(faultsOf(quick), []);
    assert.equal(quick.isClosed, false);
    const sizes = quick.frames(9).map(({ timestamp }) => timestamp);
    assert.ok(
      sizes.slice(1).every((time, i) => time - (sizes[i] ?? 0) === 40),
      'every frame came',
    );
    quick.close();
    slow.close();
    await fast.close();
  });

  it('names a taken port, its configuration key and its holder', async () => {
    const port = Number(node.addresses.rtmp.split(':')[1]);
    await assert.rejects(start({ rtmp: { port } }), (error) => {
      assert.ok(error instanceof WeirError);
      assert.equal(error.code, 'EDGE_PORT_TAKEN');
      assert.match(error.message, new RegExp(`${port}.*process ${process.pid}.*rtmp\\.port`));
      return true;
    });
  });
});
