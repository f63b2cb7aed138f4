// Who did what to a node ends in SQL, by the way all telemetry goes: node, NATS, ingest, store.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { startTestIngest, type TestIngest } from '@weir/test/harness/ingest';
import { eventually, startPipeline, type TestPipeline } from '@weir/test/harness/pipeline';
import { publishClip } from '@weir/test/harness/rtmp-viewer';

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
    assert.match(rows[0]?.detail ?? '', /publisher of live\/clip from 127\.0\.0\.1/);
  });
});
