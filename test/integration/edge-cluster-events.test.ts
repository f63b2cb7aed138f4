// What happens to a cluster is found in SQL: fail-overs with their gaps and viewers, nodes that come and go, elections,
// publishers that come, move and go, drains (B6).
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Kvm } from '@nats-io/kv';
import { connect } from '@nats-io/transport-node';
import { loadConfig } from '@weir/contracts/config/load';
import type { PartialConfig } from '@weir/contracts/config/schema';
import { createLogger } from '@weir/contracts/logger';
import { BUCKET, kvKey } from '@weir/contracts/nats/names';
import { type Node, startNode } from '@weir/edge/main';
import { TEST_RELAY_KEY } from '@weir/test/harness/edge';
import { type NodeProcess, startNodeProcess } from '@weir/test/harness/edge-process';
import { startTestIngest, type TestIngest } from '@weir/test/harness/ingest';
import { startPipeline, type TestPipeline } from '@weir/test/harness/pipeline';
import { type NotingViewer, playStream, publishClip } from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';
import { weir } from './cli-process.ts';

/** One origin of two is enough; with none, two of the three edges are elected. */
const WANTED = 2;

describe('a cluster with a node that measures', () => {
  let pipeline: TestPipeline;
  let ingest: TestIngest;
  let edgeA: Node;
  let others: NodeProcess[] = [];
  let viewer: NotingViewer;
  const folder = mkdtempSync(join(tmpdir(), 'weir-events-'));
  const host = '127.0.0.1';
  const startOther = (name: string, role: 'edge' | 'origin') =>
    startNodeProcess({
      node: { name, role },
      nats: { servers: [pipeline.nats.url] },
      relay: { wantedOrigins: WANTED },
      stream: { newestWins: ['open'] },
    });
  const row = (sql: string) =>
    waitFor(sql, async () => {
      const [first] = await pipeline.rows(sql);
      return first;
    });

  /** A name that its last publisher has left is given back a moment later; until then the next takes it from there. */
  const isFree = async (stream: string) => {
    const connection = await connect({ servers: pipeline.nats.url });
    const names = await new Kvm(connection).open(BUCKET.streams);
    await waitFor(`${stream} to be free`, async () => (await names.get(kvKey(stream)))?.operation !== 'PUT');
    await connection.close();
  };

  before(async () => {
    pipeline = await startPipeline();
    ingest = await startTestIngest({ ...pipeline });
    others = await Promise.all([
      startOther('edge-b', 'edge'),
      startOther('origin-1', 'origin'),
      startOther('edge-c', 'edge'),
    ]);
    const values: PartialConfig = {
      machine: { stateDir: join(folder, 'machine') },
      node: { name: 'edge-a', role: 'edge', dataDir: join(folder, 'node') },
      rtmp: { host, port: 0 },
      http: { host, port: 0 },
      relay: { host, port: 0, keys: [TEST_RELAY_KEY], wantedOrigins: WANTED },
      nats: { servers: [pipeline.nats.url] },
      telemetry: { intervalMs: 500 },
      stream: { newestWins: ['open'] },
    };
    edgeA = await startNode({ config: loadConfig({ values }), logger: createLogger('edge-a', 'silent') });
  });
  after(async () => {
    await Promise.all([edgeA, ...others].map((node) => node.close()));
    await ingest.close();
    await pipeline.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('writes a fail-over with cause, nodes, gaps and viewers, and that the origin is gone', async () => {
    const [edgeB, origin] = others as [NodeProcess, NodeProcess];
    const publisher = await publishClip(edgeB.rtmpUrl('live/events'));
    viewer = await playStream(`rtmp://${edgeA.addresses.rtmp}/live/events`);
    await waitFor('the origin', () => edgeA.streams().some(({ from }) => from === 'origin-1'));
    // Past the time in which nodes may still be coming in after the start.
    await waitFor('frames', () => viewer.frames(9).length > 150);
    const killedMs = Date.now();
    await origin.kill9();
    const failover = await row(`SELECT *, toUnixTimestamp64Milli(time) AS at FROM failovers WHERE stream = 'events'`);
    const { app, node, cause, from_node, to_node, viewers } = failover;
    assert.deepEqual(
      { app, node, cause, from_node, to_node, viewers },
      { app: 'live', node: 'edge-a', cause: 'disconnected', from_node: 'origin-1', to_node: 'edge-b', viewers: '1' },
    );
    assert.ok(Number(failover.at) >= killedMs - 50, 'noticed when it happened');
    assert.ok(Number(failover.gap_ms) < 3_000, `a gap of ${failover.gap_ms} ms`);
    assert.equal(Number(failover.media_gap_ms ?? -1), 0, 'the clock’s gap is none of the media');
    const gone = await row(`SELECT * FROM cluster_events WHERE event = 'gone'`);
    assert.deepEqual([gone.node, gone.seen_by, gone.cause], ['origin-1', 'edge-a', 'connection-lost']);
    viewer.close();
    await publisher.close();
  });

  it('writes that an edge was elected when no origin was left, and relieved when they were back', async () => {
    const election = (event: string) =>
      row(
        `SELECT node, seen_by, cause FROM cluster_events WHERE event = '${event}' AND node = 'edge-a' ORDER BY time DESC LIMIT 1`,
      );
    await waitFor('the election', () => edgeA.isElected());
    assert.deepEqual(await election('elected'), {
      node: 'edge-a',
      seen_by: 'edge-a',
      cause: 'origins-missing',
    });
    others.push(...(await Promise.all(['origin-2', 'origin-3'].map((name) => startOther(name, 'origin')))));
    await waitFor('the relief', () => !edgeA.isElected());
    assert.deepEqual(await election('relieved'), { node: 'edge-a', seen_by: 'edge-a', cause: 'origins-back' });
  });

  it('writes that a node came', async () => {
    const { node } = await row(`SELECT node FROM cluster_events WHERE event = 'joined' AND node = 'origin-2'`);
    assert.equal(node, 'origin-2');
  });

  it('writes who got a stream, from whom, why, and how it ended, and counts each', async () => {
    const [edgeB] = others as [NodeProcess];
    const here = `rtmp://${edgeA.addresses.rtmp}/live/moved`;
    const there = edgeB.rtmpUrl('live/moved');
    const backup = await publishClip(`${there}?backup=1`);
    const primary = await publishClip(here);
    await primary.close();
    await waitFor('the backup again', () => edgeA.streams().every(({ source }) => source !== 'publisher'));
    await backup.close();
    await isFree('live/moved');
    const last = await waitFor('the name', () => publishClip(here), { timeoutMs: 10_000 });
    last.client.close(); // without a good-bye
    const changes = await waitFor('four changes', async () => {
      const found = await pipeline.rows(
        `SELECT app, change, cause, from_node, to_node, node FROM stream_changes WHERE stream = 'moved' ORDER BY time, change DESC`,
      );
      return found.length >= 4 ? found : undefined;
    });
    assert.deepEqual(
      changes.map(({ app, node, ...change }) => [app, node, ...Object.values(change)]),
      [
        ['live', 'edge-a', 'published', 'primary-back', 'edge-b', 'edge-a'],
        ['live', 'edge-a', 'ended', 'client-closed', 'edge-a', ''],
        ['live', 'edge-a', 'published', 'free', '', 'edge-a'],
        ['live', 'edge-a', 'ended', 'client-closed', 'edge-a', ''],
      ],
    );
    const counted = await row(
      `SELECT toUInt32(sum(value)) AS count FROM samples WHERE metric = 'live.stream.changes' AND attributes['change'] = 'published' HAVING count >= 2`,
    );
    assert.ok(Number(counted.count) >= 2);
  });

  it('writes that a stream was taken by another node, and that NATS was away and agreed later', async () => {
    const [edgeB] = others as [NodeProcess];
    const changes = (stream: string) =>
      waitFor(`changes of ${stream}`, async () => {
        const found = await pipeline.rows(
          `SELECT change, cause, from_node, to_node FROM stream_changes WHERE stream = '${stream}' AND node = 'edge-a' ORDER BY time`,
        );
        return found.length >= 2 ? found.map((change) => Object.values(change)) : undefined;
      });
    const older = await publishClip(`rtmp://${edgeA.addresses.rtmp}/open/taken`);
    const newer = await publishClip(edgeB.rtmpUrl('open/taken'));
    await older.closed;
    assert.deepEqual(await changes('taken'), [
      ['published', 'free', '', 'edge-a'],
      ['lost', 'taken', 'edge-a', 'edge-b'],
    ]);
    await newer.close();
    await pipeline.nats.kill9();
    const alone = await publishClip(`rtmp://${edgeA.addresses.rtmp}/live/alone`);
    await pipeline.nats.restart();
    assert.deepEqual(await changes('alone'), [
      ['published', 'nats-away', '', 'edge-a'],
      ['settled', 'free', '', 'edge-a'],
    ]);
    await alone.close();
  });

  it('marks a node while it drains', async () => {
    const drained = await weir(['drain', 'edge-a', '--nats-servers', pipeline.nats.url]);
    assert.equal(drained.status, 0, drained.stderr);
    await weir(['drain', 'edge-a', '--undo', '--nats-servers', pipeline.nats.url]);
    const marks = await waitFor('three marks', async () => {
      const found = await pipeline.rows(`SELECT mark, reason FROM node_marks WHERE node = 'edge-a' ORDER BY time`);
      return found.length === 3 ? found : undefined;
    });
    assert.deepEqual(
      marks.map(({ mark }) => mark),
      ['serving', 'draining', 'serving'],
    );
    assert.equal(marks[1]?.reason, 'An operator drains it.');
  });
});
