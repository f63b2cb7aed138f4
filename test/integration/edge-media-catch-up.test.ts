// How a viewer gets from its first picture to the present: without a burst, and with low latency without the past.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { RtmpClient } from '@weir/edge/rtmp/client';
import type { RtmpMessage } from '@weir/edge/rtmp/message';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { type FramePublisher, frameNumber, publishFrames } from '@weir/test/harness/frame-publisher';
import { faultsOf, playStream } from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';

const FRAME_MS = 40;
const isVideo = ({ type, payload }: RtmpMessage) => type === 9 && payload[1] === 1;
const isSound = ({ type, payload }: RtmpMessage) => type === 8 && payload[1] === 1;

describe('a newcomer', () => {
  let node: TestNode;
  const publishers: FramePublisher[] = [];
  const publish = async (...[url, options]: Parameters<typeof publishFrames>) => {
    const publisher = await publishFrames(url, options);
    publishers.push(publisher);
    return publisher;
  };
  const arrived = (name: string, frames: number) =>
    waitFor('the GOP to be there', () =>
      node.stats().streams.some((stream) => stream.name === name && stream.videoFrames > frames),
    );

  before(async () => {
    node = await startTestNode({
      stream: { lowLatencyApps: ['quick', 'ahead'], lowLatencyMs: 500, gopCacheBytes: 33_554_432, catchUpSpeed: 4 },
    });
  });
  after(async () => {
    await Promise.all(publishers.map((publisher) => publisher.close()));
    await node.close();
  });

  it('sees the key frame at once and is brought to the present in slices, whole and in order', async () => {
    const publisher = await publish(node.rtmpUrl('live/sliced'), { frameBytes: 20_000, keyBytes: 60_000 });
    publisher.send(75, true);
    await arrived('sliced', 74);
    publisher.goOn(1_000);
    const [host = '', port = ''] = node.addresses.rtmp.split(':');
    const frames: { number: number; atMs: number }[] = [];
    const client = await RtmpClient.connect({
      host,
      port: Number(port),
      app: 'live',
      onMessage: (message) => {
        if (isVideo(message)) frames.push({ number: frameNumber(message.payload), atMs: performance.now() });
      },
    });
    const askedMs = performance.now();
    await client.play('sliced');
    await waitFor('the whole GOP', () => frames.some(({ number }) => number >= 74));
    const [first] = frames;
    assert.equal(first?.number, 0);
    assert.ok(first.atMs - askedMs < 500, `the first picture came after ${first.atMs - askedMs} ms`);
    // 75 frames are 3 s, of which 200 ms come at once and the rest at four times real time: not before 650 ms.
    const last = frames.find(({ number }) => number === 74);
    assert.ok(last && last.atMs - first.atMs > 300, `all came within ${(last?.atMs ?? 0) - first.atMs} ms`);
    const atOnce = frames.filter(({ atMs }) => atMs - first.atMs < 10).length;
    assert.ok(atOnce < 40, `${atOnce} frames came at once`);
    await waitFor('the present', () => (frames.at(-1)?.number ?? 0) >= publisher.sent - 10);
    assert.deepEqual(
      frames.map(({ number }) => number),
      frames.map((_, index) => index),
    );
    client.close();
  });

  it('that reads nothing is held a slice for, not a GOP, and goes on at a key frame when it reads', async () => {
    const publisher = await publish(node.rtmpUrl('live/heavy'), { frameBytes: 100_000 });
    publisher.send(100, true);
    await arrived('heavy', 99);
    publisher.goOn(50);
    const viewer = await playStream(node.rtmpUrl('live/heavy'));
    viewer.client.socket.pause();
    const before = publisher.sent;
    let most = 0;
    const sent = (frames: number) => () => {
      most = Math.max(most, node.stats().sendQueueBytes);
      return publisher.sent > before + frames;
    };
    await waitFor('half a second of frames', sent(12), { everyMs: 10 });
    assert.ok(most < 1_500_000, `${most} bytes were queued of a GOP of 10,000,000`);
    await waitFor('three seconds of frames', sent(75));
    assert.ok(most < 5_000_000, `${most} bytes were queued`);
    viewer.client.socket.resume();
    await waitFor('the present', () => frameNumber(viewer.frames(9).at(-1)?.payload ?? Buffer.alloc(9)) > before + 75);
    const numbers = viewer.frames(9).map(({ payload }) => frameNumber(payload));
    const hole = numbers.findIndex((number, index) => index > 0 && number !== (numbers[index - 1] as number) + 1);
    assert.ok(hole > 0, 'frames were left out');
    assert.equal((viewer.frames(9)[hole]?.payload[0] ?? 0) >> 4, 1, 'it goes on at a key frame');
    assert.deepEqual(faultsOf(viewer), []);
    viewer.close();
  });

  it('gets everything when the stream ends while it catches up', async () => {
    const publisher = await publish(node.rtmpUrl('live/short'), { frameBytes: 1_000 });
    publisher.send(50, true);
    await arrived('short', 49);
    const viewer = await playStream(node.rtmpUrl('live/short'));
    await waitFor('the first frame', () => viewer.frames(9).length > 0);
    await publisher.close();
    publishers.splice(publishers.indexOf(publisher), 1);
    await waitFor('all frames', () => viewer.frames(9).length === 50);
    viewer.close();
  });

  it('with low latency sees a long GOP’s key frame as a still of now, hears on, and goes on at the next key frame', async () => {
    const publisher = await publish(node.rtmpUrl('quick/long'), { frameBytes: 5_000 });
    publisher.send(50, true);
    await arrived('long', 49);
    const viewer = await playStream(node.rtmpUrl('quick/long'));
    const [still] = await waitFor('a picture', () => viewer.frames(9).length > 0 && viewer.frames(9));
    assert.equal(frameNumber(still?.payload ?? Buffer.alloc(9)), 0);
    assert.equal(still?.timestamp, 49 * FRAME_MS, 'it is stamped with the newest time');
    publisher.send(10);
    await waitFor('sound', () => viewer.messages.filter(isSound).length === 10);
    assert.equal(viewer.frames(9).length, 1, 'no picture between');
    publisher.send(10, true);
    await waitFor('the next pictures', () => viewer.frames(9).length === 11);
    assert.deepEqual(
      viewer.frames(9).map(({ payload }) => frameNumber(payload)),
      [0, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69],
    );
    assert.deepEqual(faultsOf(viewer), []);
    viewer.close();
  });

  it('with low latency gets a short GOP whole, by RTMP and by HTTP-FLV', async () => {
    const publisher = await publish(node.rtmpUrl('quick/short'), { frameBytes: 5_000 });
    publisher.send(50, true);
    publisher.send(10, true);
    await arrived('short', 59);
    const viewer = await playStream(node.rtmpUrl('quick/short'));
    await waitFor('the GOP', () => viewer.frames(9).length === 10);
    assert.equal(frameNumber(viewer.frames(9)[0]?.payload ?? Buffer.alloc(9)), 50);
    const response = await fetch(node.httpUrl('/quick/short.flv'));
    let bytes = 0;
    for await (const part of response.body ?? []) {
      bytes += (part as Uint8Array).length;
      if (bytes > 10 * 5_000) break;
    }
    assert.ok(bytes < 60 * 5_000);
    viewer.close();
  });
});

describe('a newcomer with low latency', () => {
  it('leaves what is left of a GOP for a newer key frame', async () => {
    const node = await startTestNode({ stream: { lowLatencyApps: ['*'], lowLatencyMs: 60_000, catchUpSpeed: 2 } });
    const publisher = await publishFrames(node.rtmpUrl('live/ahead'), { frameBytes: 2_000 });
    publisher.send(150, true); // 6 s, caught up with after 6 s
    await waitFor('the GOP', () => node.stats().streams.some(({ videoFrames }) => videoFrames > 149));
    const viewer = await playStream(node.rtmpUrl('live/ahead'));
    await waitFor('the first frames', () => viewer.frames(9).length > 5);
    publisher.goOn(25);
    await waitFor('the present', () => frameNumber(viewer.frames(9).at(-1)?.payload ?? Buffer.alloc(9)) > 180);
    const numbers = viewer.frames(9).map(({ payload }) => frameNumber(payload));
    const ahead = numbers.findIndex((number, index) => index > 0 && number !== (numbers[index - 1] as number) + 1);
    assert.ok(ahead > 0 && (numbers[ahead - 1] as number) < 140, `it went on after frame ${numbers[ahead - 1]}`);
    assert.equal((viewer.frames(9)[ahead]?.payload[0] ?? 0) >> 4, 1, 'at a key frame');
    assert.deepEqual(faultsOf(viewer), []);
    assert.equal(node.stats().framesDropped, 0, 'nobody was slow');
    viewer.close();
    await publisher.close();
    await node.close();
  });
});
