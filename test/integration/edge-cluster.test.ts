// Several nodes: any edge in, any edge out, each stream pulled once, claims, and life without NATS.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { loadConfig } from '@weir/contracts/config/load';
import type { PartialConfig } from '@weir/contracts/config/schema';
import { signRelay } from '@weir/contracts/relay-auth';
import { RtmpClient, RtmpClientError } from '@weir/edge/rtmp/client';
import { TYPE } from '@weir/edge/rtmp/message';
import { startTestNode, TEST_RELAY_KEY, type TestNode } from '@weir/test/harness/edge';
import { probe, publishFile } from '@weir/test/harness/ffmpeg';
import { frameNumber, videoFrame } from '@weir/test/harness/frame-publisher';
import { startNats, type TestNats } from '@weir/test/harness/nats';
import { RawRtmp } from '@weir/test/harness/raw-rtmp';
import { CLIP_PATH, faultsOf, playStream, publishClip } from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';

/** The message stream that createStream gives. */
const STREAM = 1;

const relays = (node: TestNode) => node.stats().connections.find(({ role }) => role === 'relay')?.open ?? 0;
const stream = (node: TestNode, name: string) => node.stats().streams.find((one) => one.name === name);
const refusals = (node: TestNode, reason: string) =>
  node.stats().relayRefusals.find((one) => one.reason === reason)?.count ?? 0;
const refusedWith = (code: string) => (error: unknown) =>
  error instanceof RtmpClientError && error.status?.code === code;

describe('a cluster of two origins and three edges', () => {
  let nats: TestNats;
  let origins: TestNode[];
  let edges: TestNode[];
  const started: TestNode[] = [];
  const start = async (name: string, role: 'edge' | 'origin', overrides: PartialConfig = {}) => {
    const node = await startTestNode({ ...overrides, node: { name, role }, nats: { servers: [nats.url] } });
    started.push(node);
    return node;
  };

  before(async () => {
    nats = await startNats();
    const relay = { lingerMs: 200, stallTimeoutMs: 1_000 };
    origins = await Promise.all([start('origin-1', 'origin', { relay }), start('origin-2', 'origin', { relay })]);
    edges = await Promise.all(['edge-a', 'edge-b', 'edge-c'].map((name) => start(name, 'edge', { relay })));
  });
  after(async () => {
    await Promise.all(started.map((node) => node.close()));
    await nats.close();
  });

  it('plays on any edge what ffmpeg publishes on another, with the same codecs, resolution and frame timing', async () => {
    const [a, b] = edges as [TestNode, TestNode];
    const ffmpeg = publishFile(CLIP_PATH, a.rtmpUrl('live/any'));
    await waitFor('the stream', () => (stream(a, 'any')?.videoFrames ?? 0) > 0);
    for (const url of [b.rtmpUrl('live/any'), b.httpUrl('/live/any.flv')]) {
      const { streams, packets } = await probe(url, 3);
      const video = streams.find(({ codec_type }) => codec_type === 'video');
      assert.deepEqual([video?.codec_name, video?.width, video?.height], ['h264', 1_280, 720]);
      assert.equal(streams.find(({ codec_type }) => codec_type === 'audio')?.codec_name, 'aac');
      const times = packets.filter(({ codec_type }) => codec_type === 'video').map(({ dts_time }) => Number(dts_time));
      const steps = new Set(times.slice(1).map((time, i) => Math.round((time - (times[i] ?? 0)) * 1_000)));
      assert.deepEqual([...steps], [40], url);
    }
    await ffmpeg.stop();
  });

  it('pulls a stream once per node, through one origin, and lets go a while after the last viewer', async () => {
    const [a, b, c] = edges as [TestNode, TestNode, TestNode];
    const publisher = await publishClip(a.rtmpUrl('live/once'));
    const viewers = await Promise.all([b, b, b, c, c].map((edge) => playStream(edge.rtmpUrl('live/once'))));
    await waitFor('frames everywhere', () => viewers.every((viewer) => viewer.frames(9).length > 30));
    const carrying = origins.filter((origin) => stream(origin, 'once'));
    assert.equal(carrying.length, 1, 'one origin carries it');
    assert.equal(relays(carrying[0] as TestNode), 2, 'edges b and c pull it from there');
    assert.equal(relays(a), 1, 'the origin pulls it from the publishing edge');
    assert.equal(stream(b, 'once')?.viewers, 3);
    const hops = [a, carrying[0] as TestNode, b].map((node) => node.stats().relayHops);
    assert.deepEqual(hops, [0, 1, 2], 'nodes between the publisher and each');
    assert.equal(stream(carrying[0] as TestNode, 'once')?.viewers, 0, 'relays are no viewers');
    for (const viewer of viewers) {
      assert.deepEqual(faultsOf(viewer), []);
      viewer.close();
    }
    await waitFor('all pulls to end', () => [a, b, c, ...origins].every((node) => relays(node) === 0));
    await publisher.close();
  });

  it('lets exactly one of two publishers on two edges have a name; it is free again as soon as that one leaves', async () => {
    const [a, b] = edges as [TestNode, TestNode];
    for (let round = 0; round < 5; round += 1) {
      const name = `live/race-${round}`;
      const results = await Promise.allSettled([a, b].map((edge) => publishClip(edge.rtmpUrl(name))));
      const won = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
      assert.equal(won.length, 1, `${won.length} won`);
      for (const { closed, statuses } of won) {
        await won[0]?.close();
        await closed;
        assert.deepEqual(statuses, []);
      }
    }
    const first = await publishClip(a.rtmpUrl('live/taken'));
    await assert.rejects(publishClip(b.rtmpUrl('live/taken')), refusedWith('NetStream.Publish.BadName'));
    await first.close();
    const second = await waitFor('the name', () => publishClip(b.rtmpUrl('live/taken')), { timeoutMs: 2_000 });
    await second.close();
  });

  it('keeps the viewers of all edges when the publisher comes back on another edge', async () => {
    const [a, b, c] = edges as [TestNode, TestNode, TestNode];
    const first = await publishClip(a.rtmpUrl('live/moves'));
    const viewers = await Promise.all([a, b, c].map((edge) => playStream(edge.rtmpUrl('live/moves'))));
    await waitFor('frames', () => viewers.every((viewer) => viewer.frames(9).length > 30));
    first.client.close(); // without a good-bye
    const second = await waitFor('the name', () => publishClip(c.rtmpUrl('live/moves')));
    const counts = viewers.map((viewer) => viewer.frames(9).length);
    await waitFor('frames of the second', () =>
      viewers.every((viewer, i) => viewer.frames(9).length > (counts[i] ?? 0) + 50),
    );
    for (const viewer of viewers) {
      assert.equal(viewer.isClosed, false);
      assert.deepEqual(faultsOf(viewer), []);
      viewer.close();
    }
    await second.close();
  });

  it('lets a publisher whose network went silent come back on another edge long before it is closed as idle', async () => {
    const [a, b, c] = edges as [TestNode, TestNode, TestNode];
    const first = await publishClip(a.rtmpUrl('live/silent'));
    const viewers = await Promise.all([a, b, c].map((edge) => playStream(edge.rtmpUrl('live/silent'))));
    await waitFor('frames', () => viewers.every((viewer) => viewer.frames(9).length > 10));
    await assert.rejects(publishClip(c.rtmpUrl('live/silent')), refusedWith('NetStream.Publish.BadName'));
    first.pause(); // its connection stays open, as one that was cut without a word
    const { idleTimeoutMs } = loadConfig().rtmp;
    const second = await waitFor('the name', () => publishClip(c.rtmpUrl('live/silent')), {
      timeoutMs: idleTimeoutMs / 2,
    });
    await first.closed;
    assert.deepEqual(
      first.statuses.map(({ code }) => code),
      ['NetStream.Publish.BadName'],
    );
    const counts = viewers.map((viewer) => viewer.frames(9).length);
    await waitFor('frames of the second', () =>
      viewers.every((viewer, i) => viewer.frames(9).length > (counts[i] ?? 0) + 10),
    );
    for (const viewer of viewers) {
      assert.equal(viewer.isClosed, false);
      assert.deepEqual(faultsOf(viewer), []);
      viewer.close();
    }
    await second.close();
  });

  it('lets newcomers on all edges hear a publisher whose picture is off, and see it when it is back', async () => {
    const [a, b] = edges as [TestNode, TestNode];
    const publisher = await RawRtmp.connected(a.addresses.rtmp, 'live');
    publisher.command(0, 'createStream', 2, null);
    await publisher.result(2);
    publisher.command(STREAM, 'publish', 3, null, 'unseen', 'live');
    await publisher.status('NetStream.Publish.Start');
    let soundMs = 0;
    const sound = () => {
      publisher.send(TYPE.audio, STREAM, soundMs, Buffer.from([0xaf, 1, 9, 9]));
      soundMs += 40;
    };
    publisher.send(TYPE.video, STREAM, 0, Buffer.from('1700000000016400', 'hex'));
    publisher.send(TYPE.video, STREAM, 0, videoFrame(0, 100, true));
    // More than the GOP cache keeps.
    while (soundMs < loadConfig().stream.gopCacheMs + 1_000) sound();
    const timer = setInterval(sound, 40);
    try {
      const viewers = await Promise.all([a, b].map((edge) => playStream(edge.rtmpUrl('live/unseen'))));
      await waitFor('the sound', () => viewers.every((viewer) => viewer.frames(8).length > 10));
      for (const viewer of viewers) assert.deepEqual(viewer.frames(9), []);
      publisher.send(TYPE.video, STREAM, soundMs, videoFrame(1, 100, false));
      publisher.send(TYPE.video, STREAM, soundMs, videoFrame(2, 100, true));
      await waitFor('the picture', () => viewers.every((viewer) => viewer.frames(9).length > 0));
      for (const viewer of viewers) {
        assert.deepEqual(
          viewer.frames(9).map(({ payload }) => frameNumber(payload)),
          [2],
        );
        assert.deepEqual(faultsOf(viewer), []);
        viewer.close();
      }
    } finally {
      clearInterval(timer);
      publisher.close();
    }
  });

  it('gives nothing on the relay port to strangers', async () => {
    const [a] = edges as [TestNode];
    const publisher = await publishClip(a.rtmpUrl('live/secret'));
    const [host = '', port = ''] = a.addresses.relay.split(':');
    const claim = { node: 'mallory', stream: 'live/secret', expires: Date.now() / 1_000 + 60, hops: 1 };
    const forged = signRelay({ ...claim, stream: 'live/other' }, TEST_RELAY_KEY);
    const expired = signRelay({ ...claim, expires: 1 }, TEST_RELAY_KEY);
    for (const query of ['', signRelay(claim, 'another key'), forged, expired]) {
      const client = await RtmpClient.connect({ host, port: Number(port), app: 'live' });
      await assert.rejects(client.play(`secret?${query}`), refusedWith('NetStream.Play.Failed'));
      client.close();
    }
    const client = await RtmpClient.connect({ host, port: Number(port), app: 'live' });
    await assert.rejects(client.publish('secret2'), refusedWith('NetStream.Publish.BadName'));
    client.close();
    assert.equal(relays(a), 0);
    assert.equal(refusals(a, 'claim'), 4);
    await publisher.close();
  });

  it('carries no pull that has come through too many nodes, or from itself', async () => {
    const [a] = edges as [TestNode];
    const publisher = await publishClip(a.rtmpUrl('live/far'));
    const origin = origins[0] as TestNode;
    const [host = '', port = ''] = origin.addresses.relay.split(':');
    const ask = async (node: string, hops: number) => {
      const claim = { node, stream: 'live/far', expires: Date.now() / 1_000 + 60, hops };
      const client = await RtmpClient.connect({ host, port: Number(port), app: 'live' });
      return client.play(`far?${signRelay(claim, TEST_RELAY_KEY)}`).finally(() => client.close());
    };
    const { maxHops } = loadConfig().relay;
    for (const [node, hops] of [
      ['edge-z', maxHops],
      ['origin-1', 1],
    ] as const) {
      await assert.rejects(ask(node, hops), refusedWith('NetStream.Play.Failed'));
    }
    assert.equal(refusals(origin, 'hops'), 2);
    await ask('edge-z', maxHops - 1);
    await publisher.close();
  });

  it('without NATS keeps running streams, lets known ones be joined and new ones be published', async () => {
    const [a, b, c] = edges as [TestNode, TestNode, TestNode];
    const publisher = await publishClip(a.rtmpUrl('live/known'));
    const viewer = await playStream(b.rtmpUrl('live/known'));
    await waitFor('frames', () => viewer.frames(9).length > 20);
    await nats.kill9();
    const joined = await playStream(c.rtmpUrl('live/known'));
    const fresh = await publishClip(b.rtmpUrl('live/fresh'));
    const freshViewer = await playStream(c.rtmpUrl('live/fresh'));
    // Longer than a lease: nothing that was known may be forgotten.
    const count = viewer.frames(9).length;
    await waitFor('eight seconds of frames', () => viewer.frames(9).length > count + 200);
    await nats.restart();
    const other = await waitFor('a name to be refused again', async () => {
      try {
        const second = await publishClip(c.rtmpUrl('live/fresh'));
        await second.close();
        return undefined;
      } catch (error) {
        return error;
      }
    });
    assert.ok(refusedWith('NetStream.Publish.BadName')(other));
    const later = [viewer, joined, freshViewer].map((one) => one.frames(9).length);
    await waitFor('frames after', () =>
      [viewer, joined, freshViewer].every((one, i) => one.frames(9).length > (later[i] ?? 0) + 20),
    );
    for (const one of [viewer, joined, freshViewer]) {
      assert.deepEqual(faultsOf(one), []);
      assert.equal(one.isClosed, false);
      const times = one.frames(9).map(({ timestamp }) => timestamp);
      assert.ok(
        times.slice(1).every((time, i) => time - (times[i] ?? 0) === 40),
        'no frame is missing',
      );
      one.close();
    }
    await publisher.close();
    await fresh.close();
  });
});
