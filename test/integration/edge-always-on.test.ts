// A clip instead of nothing while the publisher is away (stream.alwaysOn): viewers stay, the publisher's return is seen at
// its first key frame, and no other node takes the clip for the stream.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { PartialConfig } from '@weir/contracts/config/schema';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { probe } from '@weir/test/harness/ffmpeg';
import { startNats, type TestNats } from '@weir/test/harness/nats';
import {
  CLIP_PATH,
  faultsOf,
  type NotingViewer,
  playStream,
  publishClip,
  readFlv,
} from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';
import { makeClip } from './filler-clip.ts';

/** Live in the filler's tests: 720p; the filler is smaller, so each frame says whose it is. */
const liveHeader = readFlv(CLIP_PATH).find(({ type, payload }) => type === 9 && payload[1] === 0)?.payload as Buffer;
const lastHeader = (viewer: NotingViewer) =>
  viewer.messages.findLast(({ type, payload }) => type === 9 && payload[1] === 0)?.payload;
const showsLive = (viewer: NotingViewer) => lastHeader(viewer)?.equals(liveHeader) === true;

describe('an app that is always on', () => {
  let nats: TestNats;
  let origin: TestNode;
  let edges: TestNode[] = [];
  let filler: Awaited<ReturnType<typeof makeClip>>;
  const showsFiller = (viewer: NotingViewer) => lastHeader(viewer)?.equals(filler.videoHeader) === true;
  const sourceOn = (edge: TestNode, stream: string) =>
    edge.streams().find((one) => one.stream === stream)?.source ?? 'gone';
  const more = (what: string, viewers: readonly NotingViewer[], frames = 20) => {
    const counts = viewers.map((viewer) => viewer.frames(9).length);
    return waitFor(what, () => viewers.every((viewer, i) => viewer.frames(9).length >= (counts[i] ?? 0) + frames));
  };

  before(async () => {
    nats = await startNats();
    filler = await makeClip();
    const start = (name: string, role: 'edge' | 'origin') => {
      const relay = { lingerMs: 200, stallTimeoutMs: 1_000 };
      const stream = { alwaysOn: [`on=${filler.path}`], notFoundWaitMs: 2_000, publisherGraceMs: 1_000 };
      return startTestNode({
        node: { name, role },
        nats: { servers: [nats.url] },
        relay,
        stream,
      } satisfies PartialConfig);
    };
    origin = await start('origin-1', 'origin');
    edges = await Promise.all(['edge-a', 'edge-b'].map((name) => start(name, 'edge')));
  });
  after(async () => {
    await Promise.all([...edges, origin].map((node) => node.close()));
    await nats.close();
    filler.remove();
  });

  it('shows the clip to viewers who come before any publisher, and to a real player', async () => {
    const [, b] = edges as [TestNode, TestNode];
    const viewer = await playStream(b.rtmpUrl('on/nobody'));
    await more('frames of the clip', [viewer], 75);
    assert.ok(showsFiller(viewer));
    assert.deepEqual(faultsOf(viewer), [], 'over the loop’s seam too');
    assert.equal(sourceOn(b, 'on/nobody'), 'filler');
    const { streams } = await probe(b.rtmpUrl('on/nobody'), 2);
    assert.deepEqual(
      streams.map(({ codec_name, height }) => [codec_name, height]).filter(([codec]) => codec === 'h264'),
      [['h264', filler.height]],
    );
    assert.equal(b.stats().streams.find(({ name }) => name === 'nobody')?.bytesIn, 0, 'nothing was received');
    viewer.close();
    await waitFor('the stream to be forgotten', () => sourceOn(b, 'on/nobody') === 'gone');
  });

  it('goes from the stream to the clip and back, on every edge, on the same connections', async () => {
    const [a, b] = edges as [TestNode, TestNode];
    const first = await publishClip(a.rtmpUrl('on/show'));
    const viewers = await Promise.all([a, b].map((edge) => playStream(edge.rtmpUrl('on/show'))));
    await more('the stream', viewers);
    assert.ok(viewers.every(showsLive));
    first.client.close(); // without a good-bye
    await waitFor('the clip', () => viewers.every(showsFiller));
    // Longer than the grace time, after which viewers of other apps are put out.
    await more('three seconds of the clip', viewers, 75);
    const second = await publishClip(b.rtmpUrl('on/show'));
    await waitFor('the stream again', () => viewers.every(showsLive));
    await more('the stream', viewers);
    await second.close(); // in good order
    await waitFor('the clip again', () => viewers.every(showsFiller));
    await more('the clip', viewers);
    const third = await publishClip(a.rtmpUrl('on/show'));
    await waitFor('the stream again', () => viewers.every(showsLive));
    await more('the stream', viewers);
    for (const viewer of viewers) {
      assert.equal(viewer.isClosed, false);
      assert.deepEqual(faultsOf(viewer), []);
      assert.deepEqual(framesWithoutKey(viewer), [], 'every part begins with a key frame');
      viewer.close();
    }
    assert.ok(!origin.streams().some(({ source }) => source === 'filler'), 'origins show nothing of their own');
    await third.close();
  });

  it('works on an edge with workers, and in HLS', async () => {
    const settings: PartialConfig = {
      node: { name: 'edge-w', workers: 2 },
      stream: { alwaysOn: [`on=${filler.path}`], publisherGraceMs: 1_000, backups: ['on'] },
    };
    const crew = await startTestNode(settings);
    try {
      const viewers = await Promise.all([1, 2].map(() => playStream(crew.rtmpUrl('on/workers'))));
      await more('the clip', viewers);
      assert.ok(viewers.every(showsFiller));
      const playlist = await fetch(crew.httpUrl('/on/workers.m3u8'));
      assert.equal(playlist.status, 200);
      const first = await publishClip(crew.rtmpUrl('on/workers'));
      const second = await publishClip(crew.rtmpUrl('on/workers'));
      await waitFor('the stream', () => viewers.every(showsLive));
      first.client.close();
      await more('the stream from the one that stood by', viewers, 50);
      assert.ok(viewers.every(showsLive));
      second.client.close();
      await waitFor('the clip again', () => viewers.every(showsFiller));
      await more('the clip', viewers);
      for (const viewer of viewers) {
        assert.equal(viewer.isClosed, false);
        assert.deepEqual(faultsOf(viewer), []);
        viewer.close();
      }
    } finally {
      await crew.close();
    }
  });

  it('keeps other apps as they are', async () => {
    const [a] = edges as [TestNode];
    const viewer = await playStream(a.rtmpUrl('off/nobody')).catch((error: unknown) => error);
    assert.match(String(viewer), /StreamNotFound/);
  });

  it('says at the start what is wrong with a clip', async () => {
    await assert.rejects(startTestNode({ stream: { alwaysOn: ['on=/nowhere.flv'] } }), { code: 'EDGE_ALWAYS_ON' });
    await assert.rejects(startTestNode({ stream: { alwaysOn: ['clip.flv'] } }), { code: 'EDGE_ALWAYS_ON' });
    await assert.rejects(startTestNode({ stream: { alwaysOn: [`on=${import.meta.filename}`] } }), {
      code: 'EDGE_ALWAYS_ON',
      message: /no FLV file/,
    });
  });
});

/** After a new decoder configuration the first picture must be a key frame; the others are told by their timestamps. */
function framesWithoutKey(viewer: NotingViewer): number[] {
  const video = viewer.messages.filter(({ type }) => type === 9);
  return video.flatMap(({ payload, timestamp }, i) => {
    const isFirst = i > 0 && video[i - 1]?.payload[1] === 0 && payload[1] !== 0;
    return isFirst && payload[0] !== 0x17 ? [timestamp] : [];
  });
}
