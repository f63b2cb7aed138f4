// One node on several processes: clients land on any worker and never notice; the node's figures and limits stay one's.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import type { PartialConfig } from '@weir/contracts/config/schema';
import { RtmpClientError } from '@weir/edge/rtmp/client';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { startNodeProcess } from '@weir/test/harness/edge-process';
import {
  type ClipPublisher,
  faultsOf,
  largestStepMs,
  type NotingViewer,
  playStream,
  publishClip,
} from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';
import { playOnEachWorker, workerServing } from '@weir/test/harness/worker-viewers';

const WORKERS = 2;
const settings = (overrides: PartialConfig = {}): PartialConfig => ({
  ...overrides,
  node: { name: 'edge-a', ...overrides.node, workers: WORKERS },
});
const open = (node: TestNode, role: string) =>
  node
    .stats()
    .connections.filter((one) => one.role === role && one.protocol === 'rtmp')
    .reduce((sum, one) => sum + one.open, 0);
const reasons = (node: TestNode, role: string) =>
  Object.fromEntries(
    node
      .stats()
      .closed.filter((one) => one.role === role)
      .map(({ reason, count }) => [reason, count]),
  );

describe('a node with two workers', () => {
  let node: TestNode;
  let publisher: ClipPublisher;
  let viewers: NotingViewer[] = [];

  before(async () => {
    node = await startTestNode(settings());
    publisher = await publishClip(node.rtmpUrl('live/demo'));
    viewers = await playOnEachWorker(node, 'live/demo', 2);
  });
  after(async () => {
    await node.close();
  });

  it('gives viewers on each of them a stream published on one, whole and in order', async () => {
    await waitFor('frames', () => viewers.every((viewer) => viewer.frames(9).length > 50));
    for (const viewer of viewers) {
      assert.deepEqual(faultsOf(viewer), []);
      assert.equal(largestStepMs(viewer), 40);
      assert.ok(viewer.frames(8).length > 50);
    }
  });

  it('counts what one process would count: no viewer, relay or pull that is only internal', async () => {
    const stats = await waitFor('all figures', () => {
      const now = node.stats();
      return now.streams[0]?.viewers === viewers.length && now;
    });
    const { connections, streams, relayPulls, io } = stats;
    assert.deepEqual(
      new Set(connections.map(({ role, protocol, open, opened }) => `${role} ${protocol} ${open} ${opened}`)),
      new Set(['publisher rtmp 1 1', `viewer rtmp ${viewers.length} ${viewers.length}`]),
    );
    assert.deepEqual(relayPulls, []);
    assert.deepEqual(
      io.find(({ role }) => role === 'relay'),
      { role: 'relay', bytesIn: 0, bytesOut: 0 },
    );
    assert.deepEqual(
      streams.map(({ name, source }) => [name, source]),
      [['demo', 'publisher']],
    );
    const [stream] = streams;
    assert.ok((stream?.bytesIn ?? 0) > 100_000);
    assert.ok((stream?.videoFrames ?? 0) > 50);
  });

  it('lists its streams on whichever worker is asked', async () => {
    const asked = new Map<string, { viewers: number }[]>();
    await waitFor('an answer by each worker', async () => {
      const response = await fetch(node.httpUrl('/streams'), { headers: { connection: 'close' } });
      const { streams } = (await response.json()) as { streams: { viewers: number }[] };
      asked.set(response.headers.get('weir-worker') ?? '', streams);
      return asked.size === WORKERS;
    });
    for (const streams of asked.values())
      assert.deepEqual(
        streams.map((one) => one.viewers),
        [viewers.length],
      );
    for (const path of ['/healthz', '/readyz']) assert.equal((await fetch(node.httpUrl(path))).status, 200);
    assert.equal((await fetch(node.httpUrl('/nothing'))).status, 404);
  });

  it('refuses a second publisher of a stream, whichever worker it gets', async () => {
    for (let i = 0; i < WORKERS; i += 1) {
      await assert.rejects(publishClip(node.rtmpUrl('live/demo')), (error) => error instanceof RtmpClientError);
    }
    assert.equal(open(node, 'publisher'), 1);
  });

  it('serves HTTP-FLV, and HLS in one numbering on all workers', async () => {
    const flv = await fetch(node.httpUrl('/live/demo.flv'));
    assert.equal(flv.status, 200);
    const reader = flv.body?.getReader();
    const first = await reader?.read();
    assert.equal(Buffer.from(first?.value ?? []).toString('latin1', 0, 3), 'FLV');
    await reader?.cancel();

    const headers = { connection: 'close' };
    const newest = async () => {
      const response = await fetch(node.httpUrl('/live/demo.m3u8?session=s1'), { headers });
      const text = await response.text();
      return { worker: response.headers.get('weir-worker'), number: Number(/MEDIA-SEQUENCE:(\d+)/.exec(text)?.[1]) };
    };
    await waitFor('a playlist', async () => Number.isInteger((await newest()).number));
    const seen = new Map<string | null, number>();
    await waitFor('a playlist by each worker', async () => {
      const { worker, number } = await newest();
      seen.set(worker, number);
      return seen.size === WORKERS;
    });
    const numbers = [...seen.values()];
    assert.ok(Math.max(...numbers) - Math.min(...numbers) <= 1, String(numbers));
    const hls = await waitFor('the HLS viewer', () =>
      node.stats().connections.find(({ protocol }) => protocol === 'hls'),
    );
    assert.equal(hls.opened, 1);
  });

  it('shows all clients to the admin API, which can close any of them', async () => {
    const list = async () => {
      const response = await fetch(`${node.urls.admin}/v1/connections?role=viewer`);
      return (await response.json()) as {
        total: number;
        connections: { id: string; protocol: string; bytesOut: number }[];
      };
    };
    const extra = await Promise.all(Array.from({ length: WORKERS }, () => playStream(node.rtmpUrl('live/demo'))));
    await waitFor('their frames', () => extra.every((viewer) => viewer.frames(9).length > 0));
    const rtmp = (await list()).connections.filter(({ protocol }) => protocol === 'rtmp');
    assert.equal(rtmp.length, viewers.length + WORKERS);
    assert.ok(rtmp.every(({ bytesOut }) => bytesOut > 1_000));
    // The oldest come first.
    for (const { id } of rtmp.slice(-WORKERS)) {
      const kicked = await fetch(`${node.urls.admin}/v1/connections/${id}`, { method: 'DELETE' });
      assert.equal(kicked.status, 200);
    }
    await waitFor('them to be closed', () => extra.every((viewer) => viewer.isClosed));
    await waitFor('the reason', () => reasons(node, 'viewer').kicked === WORKERS);
  });

  it('keeps the viewers of the other worker when one is killed, and starts it again', async () => {
    const before = node.workers();
    const victim = before[0];
    assert.ok(victim);
    const served = viewers.filter(({ client }) => workerServing(node, client.socket) === victim.index);
    process.kill(victim.pid, 'SIGKILL');
    const cut = await waitFor('its viewers to be cut', () => {
      const closed = viewers.filter((viewer) => viewer.isClosed);
      return closed.length === served.length && closed;
    });
    await waitFor('the worker to be back', () => {
      const now = node.workers()[0];
      return now?.restarts === 1 && now.pid !== 0 && now.pid !== victim.pid;
    });
    const left = viewers.filter((viewer) => !cut.includes(viewer));
    // The publisher may have been on either: then it comes back, as encoders do.
    if (publisher.client.socket.destroyed) {
      publisher = await waitFor('the publisher to be back', () => publishClip(node.rtmpUrl('live/demo')));
    }
    const had = left.map((viewer) => viewer.frames(9).length);
    await waitFor('more frames', () => left.every((viewer, i) => viewer.frames(9).length > (had[i] ?? 0) + 25));
    for (const viewer of left) {
      assert.equal(viewer.isClosed, false);
      assert.deepEqual(faultsOf(viewer), []);
    }
    await waitFor('figures without the dead', () => open(node, 'viewer') === left.length);
    // The new worker has a process before it takes clients; until then they all go to the other one.
    const again = await playOnEachWorker(node, 'live/demo');
    await waitFor('frames by both workers', () => again.every((viewer) => viewer.frames(9).length > 10));
    assert.equal(reasons(node, 'viewer').error, cut.length);
    viewers = [...left, ...again];
  });

  it('tells everybody when it is closed, and leaves no process behind', async () => {
    await waitFor('all to be counted', () => open(node, 'viewer') === viewers.length);
    const pids = node.workers().map(({ pid }) => pid);
    const opened = node
      .stats()
      .connections.find(({ role, protocol }) => role === 'viewer' && protocol === 'rtmp')?.opened;
    await node.close();
    await waitFor('viewers to be closed', () => viewers.every((viewer) => viewer.isClosed));
    await publisher.closed;
    for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
    assert.equal(open(node, 'viewer'), 0);
    assert.equal(reasons(node, 'viewer').shutdown, viewers.length);
    assert.equal(opened, viewers.length + (reasons(node, 'viewer').error ?? 0) + WORKERS);
  });
});

it('leaves no worker behind when it is killed itself', async () => {
  const node = await startNodeProcess(settings());
  const children = readFileSync(`/proc/${node.pid}/task/${node.pid}/children`, 'utf8').trim().split(' ').map(Number);
  assert.equal(children.length, WORKERS);
  await node.kill9();
  const isGone = (pid: number) => {
    // One that nobody waited for is a zombie, which is gone too.
    const stat = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, 'utf8') : '';
    return stat === '' || stat.slice(stat.lastIndexOf(')')).startsWith(') Z');
  };
  await waitFor('its workers to end', () => children.every(isGone));
});
