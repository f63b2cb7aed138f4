// Servers that are no members, here a real nginx-rtmp: streams pulled from it on demand, once for the whole cluster, and
// pushed to it; killed and started again under both; their state in `weir status`, metrics, and no key anywhere.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { PartialConfig } from '@weir/contracts/config/schema';
import { whyWithout } from '@weir/test/harness/debian-tools';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { probe, publishFile } from '@weir/test/harness/ffmpeg';
import { startNats, type TestNats } from '@weir/test/harness/nats';
import { startNginx, type TestNginx } from '@weir/test/harness/nginx-rtmp';
import { CLIP_PATH, faultsOf, type NotingViewer, playStream, publishClip } from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';
import { weir } from './cli-process.ts';

const why = await whyWithout(['nginx']);

describe('a cluster with nginx-rtmp as source and target', { skip: why ?? false }, () => {
  let nats: TestNats;
  let nginx: TestNginx;
  let nodes: TestNode[] = [];
  let edges: [TestNode, TestNode];
  const start = (name: string, role: 'edge' | 'origin') =>
    startTestNode({
      node: { name, role },
      nats: { servers: [nats.url] },
      relay: {
        lingerMs: 300,
        stallTimeoutMs: 1_000,
        external: [`outside/*=rtmp://127.0.0.1:1/nobody/{name} ${nginx.url('source/{name}')}`],
        push: [`live/*=${nginx.url('target/{name}-secret-key')}`],
      },
      stream: { notFoundWaitMs: 10_000 },
    } satisfies PartialConfig);
  const links = () => nodes.flatMap((node) => node.stats().externals.links);
  const live = (direction: 'pull' | 'push') =>
    links().filter((link) => link.direction === direction && link.state === 'live').length;
  const more = (what: string, viewers: readonly NotingViewer[], frames = 20) => {
    const counts = viewers.map((viewer) => viewer.frames(9).length);
    return waitFor(what, () => viewers.every((viewer, i) => viewer.frames(9).length >= (counts[i] ?? 0) + frames));
  };
  const status = async () => {
    const { stdout } = await weir(['status', '--json', '--nats-servers', nats.url]);
    return JSON.parse(stdout).nats.externals as { node: string; state: string; direction: string; stream: string }[];
  };

  before(async () => {
    nats = await startNats();
    nginx = await startNginx('application source { live on; } application target { live on; }');
    edges = [await start('edge-a', 'edge'), await start('edge-b', 'edge')];
    nodes = [...edges, await start('origin-1', 'origin')];
  });
  after(async () => {
    await Promise.all(nodes.map((node) => node.close()));
    await nginx?.close();
    await nats.close();
  });

  it('pulls a stream from it once for viewers of all edges, and lets go after the last one', async () => {
    const ffmpeg = publishFile(CLIP_PATH, nginx.url('source/show'));
    try {
      const viewers = await Promise.all(edges.map((edge) => playStream(edge.rtmpUrl('outside/show'))));
      await more('frames', viewers);
      await waitFor('one pull', () => live('pull') === 1);
      const pulling = (await status()).filter(({ direction, state }) => direction === 'pull' && state === 'live');
      assert.deepEqual(
        pulling.map(({ stream }) => stream),
        ['outside/show'],
      );
      const shown = await weir(['status', '--nats-servers', nats.url]);
      assert.match(
        shown.stdout,
        /external +outside\/show pulled from rtmp:\/\/127\.0\.0\.1:\d+\/source\/… by \S+: live/,
      );
      for (const viewer of viewers) {
        assert.deepEqual(faultsOf(viewer), []);
        viewer.close();
      }
      await waitFor('the pull to end', () => links().every(({ direction }) => direction !== 'pull'));
    } finally {
      await ffmpeg.stop();
    }
  });

  it('finds it again when it was killed, and the viewers stay', async () => {
    const first = publishFile(CLIP_PATH, nginx.url('source/again'));
    const viewer = await playStream(edges[1].rtmpUrl('outside/again'));
    await more('frames', [viewer]);
    await nginx.kill9();
    await first.ended;
    await waitFor('the failure to be counted', () =>
      nodes.some((node) =>
        node.stats().externals.failures.some(({ direction, count }) => direction === 'pull' && count > 0),
      ),
    );
    await nginx.start();
    const second = publishFile(CLIP_PATH, nginx.url('source/again'));
    try {
      await more('frames again', [viewer]);
      assert.equal(viewer.isClosed, false);
      assert.deepEqual(faultsOf(viewer), []);
    } finally {
      viewer.close();
      await second.stop();
    }
  });

  it('prefers a publisher of the cluster', async () => {
    await waitFor('earlier pulls to end', () => links().every(({ direction }) => direction !== 'pull'));
    const ffmpeg = publishFile(CLIP_PATH, nginx.url('source/both'));
    const publisher = await publishClip(edges[0].rtmpUrl('outside/both'));
    const viewer = await playStream(edges[1].rtmpUrl('outside/both'));
    await more('frames', [viewer]);
    assert.equal(live('pull'), 0);
    viewer.close();
    await publisher.close();
    await ffmpeg.stop();
  });

  it('pushes what is published on any edge, once, and again when the target was killed', async () => {
    const ffmpeg = publishFile(CLIP_PATH, edges[0].rtmpUrl('live/out'));
    const viewer = await playStream(edges[1].rtmpUrl('live/out'));
    const codecs = async () => {
      const { streams } = await probe(nginx.url('target/out-secret-key'), 1, 20_000);
      return streams.map(({ codec_name }) => codec_name).toSorted();
    };
    try {
      await waitFor('the push', () => live('push') === 1);
      assert.deepEqual(await codecs(), ['aac', 'h264']);
      const shown = await weir(['status', '--nats-servers', nats.url]);
      assert.match(shown.stdout, /external +live\/out pushed to rtmp:\/\/127\.0\.0\.1:\d+\/target\/… by edge-a: live/);
      assert.match(shown.stdout, /stream +live\/out, 1 viewer: edge-a → (origin-1 → )?edge-b \(1\)\n/);
      assert.doesNotMatch(shown.stdout, /secret-key/);
      await nginx.kill9();
      await waitFor('the loss', () => live('push') === 0);
      await more('frames meanwhile', [viewer]);
      await nginx.start();
      await waitFor('the push again', () => live('push') === 1);
      assert.deepEqual(await codecs(), ['aac', 'h264']);
      assert.equal(viewer.isClosed, false);
      assert.deepEqual(faultsOf(viewer), []);
    } finally {
      viewer.close();
      await ffmpeg.stop();
    }
    await waitFor('the push to end with its publisher', () => links().every(({ direction }) => direction !== 'push'));
  });

  it('refuses an entry that cannot be used, without repeating its key', async () => {
    await assert.rejects(startTestNode({ relay: { push: ['live/*=rtmp://h/app/secret'] } }), (error: Error) => {
      assert.match(error.message, /relay\.push leads every stream to the same URL/);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
  });
});
