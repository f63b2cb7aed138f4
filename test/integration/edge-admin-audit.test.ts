// Who did what to a node, and what its customers used, end in SQL by the way all telemetry goes: node, NATS, ingest, store.
import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { after, before, describe, it } from 'node:test';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { startTestIngest, type TestIngest } from '@weir/test/harness/ingest';
import { startPipeline, type TestPipeline } from '@weir/test/harness/pipeline';
import { playStream, publishClip } from '@weir/test/harness/rtmp-viewer';
import { eventually, waitFor } from '@weir/test/harness/wait';
import { weir } from './cli-process.ts';

describe('the audit of the admin API', () => {
  let pipeline: TestPipeline;
  let ingest: TestIngest;
  let node: TestNode;
  before(async () => {
    pipeline = await startPipeline();
    ingest = await startTestIngest({ ...pipeline, config: { ingest: { batchMaxDelayMs: 20 } } });
    const own = { nats: { servers: [pipeline.nats.url] }, admin: { token: 'secret' }, telemetry: { intervalMs: 500 } };
    node = await startTestNode(own, { measures: true, reread: () => ({ ...own, site: 'elsewhere' }) });
  });
  after(async () => {
    await node?.close();
    await ingest?.close();
    await pipeline?.close();
  });

  it('has a row for each action and for an attempt without the right, with who, what, to what and from where', async () => {
    const ask = (method: string, path: string, token = 'secret') =>
      fetch(`${node.urls.admin}${path}`, {
        method,
        headers: { Authorization: `Bearer ${token}`, 'Weir-Actor': 'alice' },
      });
    const publisher = await publishClip(node.rtmpUrl('live/clip'));
    const { connections } = (await (await ask('GET', '/v1/connections')).json()) as { connections: { id: string }[] };
    const id = connections[0]?.id ?? '';
    for (const [method, path, status, token] of [
      ['DELETE', `/v1/connections/${id}`, 200],
      ['DELETE', '/v1/connections/nobody', 404],
      ['POST', '/v1/reload', 409],
      ['POST', '/v1/drain', 200],
      ['DELETE', '/v1/drain', 200],
      ['POST', '/v1/drain', 401, 'wrong'],
    ] as const) {
      const response = await ask(method, path, token);
      assert.equal(response.status, status, `${method} ${path}: ${await response.text()}`);
    }
    await publisher.closed;
    const rows = await eventually(
      () => pipeline.rows('SELECT * FROM admin_actions ORDER BY time'),
      (found) => found.length === 6,
    );
    assert.deepEqual(
      rows.map(({ action, target, outcome, access_right: right }) => [action, target, outcome, right]),
      [
        ['kick', id, 'done', 'token'],
        ['kick', 'nobody', 'not-found', 'token'],
        ['reload', '', 'refused', 'token'],
        ['drain', '', 'done', 'token'],
        ['serve', '', 'done', 'token'],
        ['denied', '', 'refused', ''],
      ],
    );
    assert.ok(
      rows.every((row) => row.node === 'edge-a' && row.actor === 'alice' && row.client_address === '127.0.0.1'),
    );
    assert.match(rows[2]?.detail ?? '', /site can only change with a restart/);
    assert.match(rows[0]?.detail ?? '', /^publisher of live\/clip$/);
  });

  it('has a row for a drain by NATS, with who did it from which host', async () => {
    // Without a client it would end at once.
    const publisher = await publishClip(node.rtmpUrl('live/clip'));
    for (const args of [['--deadline', '600'], ['--undo']]) {
      const { status, stderr } = await weir(['drain', 'edge-a', ...args, '--nats-servers', pipeline.nats.url]);
      assert.equal(status, 0, stderr);
    }
    await publisher.close();
    const rows = await eventually(
      () => pipeline.rows("SELECT * FROM admin_actions WHERE access_right = 'cluster' ORDER BY time"),
      (found) => found.length === 2,
    );
    assert.deepEqual(
      rows.map(({ action, outcome, detail, node: of }) => [action, outcome, detail, of]),
      [
        ['drain', 'done', 'ends within 600 s', 'edge-a'],
        ['serve', 'done', '', 'edge-a'],
      ],
    );
    assert.ok(
      rows.every(({ actor }) => String(actor).endsWith(`@${hostname()}`)),
      JSON.stringify(rows),
    );
  });
});

describe('what a customer used', () => {
  let pipeline: TestPipeline;
  let ingest: TestIngest;
  let node: TestNode;
  before(async () => {
    pipeline = await startPipeline();
    ingest = await startTestIngest({ ...pipeline, config: { ingest: { batchMaxDelayMs: 20 } } });
    const stream = { publisherGraceMs: 300 };
    const own = { nats: { servers: [pipeline.nats.url] }, telemetry: { intervalMs: 500 }, stream };
    node = await startTestNode(own, { measures: true });
  });
  after(async () => {
    await node?.close();
    await ingest?.close();
    await pipeline?.close();
  });

  it('is in SQL to the byte once its clients are gone, whatever protocol they spoke', async () => {
    const publisher = await publishClip(node.rtmpUrl('shop/clip'));
    const viewer = await playStream(node.rtmpUrl('shop/clip'));
    const flv = await fetch(node.httpUrl('/shop/clip.flv'));
    await waitFor('frames', () => viewer.frames(9).length > 50);
    await waitFor('an HLS viewer', async () => (await fetch(node.httpUrl('/shop/clip.m3u8?session=s'))).ok);
    viewer.close();
    await flv.body?.cancel();
    await publisher.close();
    const all = await waitFor('all to be gone', () => {
      const { connections, apps } = node.stats();
      return connections.every(({ open }) => open === 0) && apps[0];
    });
    assert.ok(all.bytesOut > all.bytesIn && all.bytesIn > 100_000, JSON.stringify(all));
    const [usage] = await eventually(
      () =>
        pipeline.rows(
          `SELECT sum(bytes_in) AS bytes_in, sum(bytes_out) AS bytes_out, max(viewers_max) AS viewers, max(publishers_max) AS publishers
           FROM app_usage(from = now() - 3600, to = now() + 60, step = 60) WHERE app = 'shop'`,
        ),
      ([row]) => Number(row?.bytes_out) === all.bytesOut && Number(row?.bytes_in) === all.bytesIn,
    );
    assert.equal(Number(usage?.publishers), 1);
    assert.ok(Number(usage?.viewers) >= 2, String(usage?.viewers));
  });
});
