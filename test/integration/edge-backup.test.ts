// Primary and backup publishers of one stream, on different edges: the backup stands by, takes over when the primary is
// killed, falls silent or loses its edge, and gives the name back; viewers stay connected throughout.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { PartialConfig } from '@weir/contracts/config/schema';
import { RtmpClientError } from '@weir/edge/rtmp/client';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { type NodeProcess, startNodeProcess } from '@weir/test/harness/edge-process';
import { publishFile } from '@weir/test/harness/ffmpeg';
import { startNats, type TestNats } from '@weir/test/harness/nats';
import {
  CLIP_PATH,
  type ClipPublisher,
  faultsOf,
  type NotingViewer,
  playStream,
  publishClip,
} from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';

const BACKUP = '?backup=1';
/** Detection takes 1 s for silence and some 0.1 s for the rest; machines may be three times as slow. */
const TAKES_OVER_MS = 4_000;

describe('a stream with a primary and a backup publisher', () => {
  let nats: TestNats;
  let edges: TestNode[] = [];
  let doomed: NodeProcess | undefined;
  const opened: { close(): unknown }[] = [];
  const settings = (name: string, role: 'edge' | 'origin' = 'edge'): PartialConfig => ({
    node: { name, role },
    nats: { servers: [nats.url] },
    relay: { lingerMs: 200, stallTimeoutMs: 1_000, connectTimeoutMs: 1_000 },
    stream: { backups: ['pair'] },
  });
  const publisherOf = (stream: string) =>
    edges.find((edge) => edge.streams().some((one) => one.stream === stream && one.source === 'publisher'))?.name;
  const standbys = (edge: TestNode, stream: string) =>
    edge.streams().find((one) => one.stream === stream)?.standbys ?? 0;
  const publish = async (url: string) => {
    const publisher = await publishClip(url);
    opened.push({ close: () => publisher.client.close() });
    return publisher;
  };
  const play = async (url: string) => {
    const viewer = await playStream(url);
    opened.push(viewer);
    await waitFor('frames', () => viewer.frames(9).length > 15);
    return viewer;
  };
  const goesOn = (viewers: readonly NotingViewer[], frames = 25) => {
    const counts = viewers.map((viewer) => viewer.frames(9).length);
    const allHaveMore = () => viewers.every((viewer, i) => viewer.frames(9).length > (counts[i] ?? 0) + frames);
    return waitFor('frames of the other publisher', allHaveMore, { timeoutMs: frames * 40 + TAKES_OVER_MS });
  };
  const assertStayed = (viewers: readonly NotingViewer[]) => {
    for (const viewer of viewers) {
      assert.equal(viewer.isClosed, false);
      assert.deepEqual(faultsOf(viewer), []);
    }
  };

  before(async () => {
    nats = await startNats();
    const origin = startTestNode(settings('origin-1', 'origin'));
    edges = await Promise.all([...['edge-a', 'edge-b', 'edge-c'].map((name) => startTestNode(settings(name))), origin]);
  });
  afterEach(() => {
    for (const one of opened.splice(0)) one.close();
  });
  after(async () => {
    await doomed?.close();
    await Promise.all(edges.map((edge) => edge.close()));
    await nats.close();
  });

  it('goes on from the backup on another edge when the primary’s ffmpeg is killed', async () => {
    const [a, b, c] = edges as [TestNode, TestNode, TestNode];
    const primary = publishFile(CLIP_PATH, a.rtmpUrl('live/killed'));
    opened.push({ close: () => void primary.stop() });
    await waitFor('the primary', () => publisherOf('live/killed') === 'edge-a');
    const backup = await publish(b.rtmpUrl(`live/killed${BACKUP}`));
    const viewers = await Promise.all([a, b, c].map((edge) => play(edge.rtmpUrl('live/killed'))));
    assert.equal(publisherOf('live/killed'), 'edge-a', 'it stands by');
    await waitFor('the backup to stand by', () => standbys(b, 'live/killed') === 1);
    process.kill(primary.pid, 'SIGKILL');
    await goesOn(viewers);
    assert.equal(publisherOf('live/killed'), 'edge-b');
    assertStayed(viewers);
    assert.deepEqual(backup.statuses, [], 'it was told nothing');
  });

  it('gives the name back when a primary comes, and takes it again when that one falls silent', async () => {
    const [a, b, c] = edges as [TestNode, TestNode, TestNode];
    const backup = await publish(b.rtmpUrl(`live/silent${BACKUP}`));
    const viewers = await Promise.all([b, c].map((edge) => play(edge.rtmpUrl('live/silent'))));
    assert.equal(publisherOf('live/silent'), 'edge-b', 'a backup alone publishes');
    const primary = await publish(a.rtmpUrl('live/silent'));
    await waitFor('the primary', () => publisherOf('live/silent') === 'edge-a' && standbys(b, 'live/silent') === 1);
    await goesOn(viewers);
    // The edge of the primary must have heard that somebody stands by before it can give way.
    primary.pause();
    await goesOn(viewers);
    assert.equal(publisherOf('live/silent'), 'edge-b');
    await primary.closed;
    assertStayed(viewers);
    assert.equal(backup.client.socket.destroyed, false);
  });

  it('works on one and the same edge', async () => {
    const [a, , c] = edges as [TestNode, TestNode, TestNode];
    const primary = await publish(a.rtmpUrl('live/same'));
    const backup = await publish(a.rtmpUrl(`live/same${BACKUP}`));
    const viewers = await Promise.all([a, c].map((edge) => play(edge.rtmpUrl('live/same'))));
    primary.client.close();
    await goesOn(viewers);
    const again = await publish(a.rtmpUrl('live/same'));
    await waitFor('the backup to stand by', () => standbys(a, 'live/same') === 1);
    await goesOn(viewers);
    assert.equal(backup.client.socket.destroyed, false);
    assert.equal(again.client.socket.destroyed, false);
    assertStayed(viewers);
  });

  it('goes on when the whole edge of the primary is killed', async () => {
    const [, b, c] = edges as [TestNode, TestNode, TestNode];
    doomed = await startNodeProcess(settings('edge-doomed'));
    await publish(doomed.rtmpUrl('live/edge'));
    await publish(b.rtmpUrl(`live/edge${BACKUP}`));
    const viewers = await Promise.all([b, c].map((edge) => play(edge.rtmpUrl('live/edge'))));
    await doomed.kill9();
    await goesOn(viewers);
    assert.equal(publisherOf('live/edge'), 'edge-b');
    assertStayed(viewers);
  });

  it('goes on without viewers on the way too: nobody but the backup notices that the edge died', async () => {
    const [, b, c] = edges as [TestNode, TestNode, TestNode];
    doomed = await startNodeProcess(settings('edge-doomed-2'));
    await publish(doomed.rtmpUrl('live/alone'));
    await publish(b.rtmpUrl(`live/alone${BACKUP}`));
    await waitFor('the backup to stand by', () => standbys(b, 'live/alone') === 1);
    await doomed.kill9();
    await waitFor('the backup to take over', () => publisherOf('live/alone') === 'edge-b', { timeoutMs: 9_000 });
    await play(c.rtmpUrl('live/alone'));
  });

  it('in an app of stream.backups a second publisher need not ask, and keeps what it took', async () => {
    const [a, b, c] = edges as [TestNode, TestNode, TestNode];
    const first = await publish(a.rtmpUrl('pair/show'));
    const second = await publish(b.rtmpUrl('pair/show'));
    const viewer = await play(c.rtmpUrl('pair/show'));
    assert.equal(publisherOf('pair/show'), 'edge-a');
    first.client.close();
    await goesOn([viewer]);
    const third = await publish(a.rtmpUrl('pair/show'));
    await goesOn([viewer]);
    assert.equal(publisherOf('pair/show'), 'edge-b', 'they are equal: the one in force stays');
    for (const { client } of [second, third]) assert.equal(client.socket.destroyed, false);
    assertStayed([viewer]);
  });

  it('has so many standbys and no more, and elsewhere a second publisher is refused as ever', async () => {
    const [a, b] = edges as [TestNode, TestNode];
    await publish(a.rtmpUrl('live/many'));
    const busy = (error: unknown) =>
      error instanceof RtmpClientError && error.status?.code === 'NetStream.Publish.BadName';
    await assert.rejects(publish(b.rtmpUrl('live/many')), busy);
    const standing: ClipPublisher[] = [];
    for (let i = 0; i < 2; i += 1) standing.push(await publish(b.rtmpUrl(`live/many${BACKUP}`)));
    await assert.rejects(publish(b.rtmpUrl(`live/many${BACKUP}`)), busy);
    assert.ok(standing.every(({ client }) => !client.socket.destroyed));
  });
});
