/** The switch for clients' addresses, from an edge's events and a browser's payload to every column of every table. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { loadConfig } from '@weir/contracts/config/load';
import { createLogger } from '@weir/contracts/logger';
import { connectNats } from '@weir/contracts/nats/connect';
import type { ConnectionClosed } from '@weir/edge/stats';
import { startTelemetry } from '@weir/edge/telemetry/telemetry';
import { startTestIngest } from '@weir/test/harness/ingest';
import { startPipeline, type TestPipeline } from '@weir/test/harness/pipeline';
import { mediaSnapshot } from '@weir/test/harness/telemetry';
import { eventually } from '@weir/test/harness/wait';

const ADDRESS = '203.0.113.77';
const PORT = 50_123;

describe('addresses of clients', () => {
  let pipeline: TestPipeline;
  before(async () => {
    pipeline = await startPipeline();
  });
  after(async () => {
    await pipeline?.close();
  });

  /** A connection, an administrator and a browser, all at {@link ADDRESS}; what is stored of them under `node`. */
  async function stored(node: string, privacy: { addresses: 'keep' | 'truncate' | 'hash'; addressKey?: string }) {
    const dir = mkdtempSync(join(tmpdir(), 'weir-privacy-'));
    const logger = createLogger('test', 'silent');
    const config = loadConfig({
      values: { nats: { servers: [pipeline.nats.url] }, node: { dataDir: dir }, machine: { stateDir: dir }, privacy },
    });
    const nats = connectNats(config.nats, node, logger);
    const ingest = await startTestIngest({
      ...pipeline,
      config: { privacy, faro: { trustProxy: true }, ingest: { batchMaxDelayMs: 20 } },
    });
    const stats = { snapshot: () => mediaSnapshot() };
    const addresses = { rtmp: 'h:1935', relay: 'h:1936', http: 'h:8080' };
    const identity = { node, role: 'edge' as const, addresses };
    const telemetry = await startTelemetry({ config, identity, nats, stats, logger });
    try {
      const openedAtMs = Date.now() - 1_000;
      const closed: ConnectionClosed = {
        ...{ id: crypto.randomUUID(), role: 'viewer', protocol: 'rtmp', app: 'live', stream: 'a' },
        ...{ clientAddress: ADDRESS, clientPort: PORT, session: '', userAgent: 'x', openedAtMs },
        ...{ reason: 'client-closed', bytesIn: 1, bytesQueued: 1, bytesDelivered: 1, framesDropped: 0 },
        closedAtMs: Date.now(),
      };
      telemetry.observer.connectionOpened(closed);
      telemetry.observer.connectionClosed(closed);
      telemetry.observer.adminAction({
        ...{ action: 'kick', target: closed.id, outcome: 'done', right: 'token', actor: 'me' },
        ...{ clientAddress: ADDRESS, detail: 'viewer of live/a', atMs: Date.now() },
      });
      const measurement = {
        ...{ type: 'player.start', values: { total_ms: 1 }, timestamp: new Date().toISOString() },
        context: { app: 'live', stream: 'a', node, connection: closed.id },
      };
      const answer = await fetch(`${ingest.url}/faro/collect`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-forwarded-for': ADDRESS },
        body: JSON.stringify({ meta: { session: { id: node } }, measurements: [measurement] }),
      });
      assert.equal(answer.status, 202);
      await telemetry.ready;
      await telemetry.flush();
      const one = (sql: string) =>
        eventually(
          () => pipeline.row(sql),
          () => true,
          30_000,
          sql,
        );
      const connection = await eventually(
        () => pipeline.row(`SELECT client_address, client_port, is_open FROM connections WHERE node = '${node}'`),
        (row) => row.is_open === '0',
      );
      const action = await one(`SELECT client_address FROM admin_actions WHERE node = '${node}'`);
      const browser = await one(
        `SELECT context['client.subnet'] AS subnet FROM viewer_measurements WHERE session_id = '${node}'`,
      );
      return [connection.client_address, connection.client_port, action.client_address, browser.subnet];
    } finally {
      await telemetry.close();
      await nats.close();
      await ingest.close();
      rmSync(dir, { recursive: true, force: true });
    }
  }

  /** Tables with `text` in any column. */
  async function tablesWith(text: string): Promise<string[]> {
    const tables = await pipeline.rows(
      "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'",
    );
    const found: string[] = [];
    for (const { name } of tables) {
      const { n } = await pipeline.row(
        `SELECT count() AS n FROM ${name} WHERE position(formatRow('JSONEachRow', *), '${text}') > 0`,
      );
      if (Number(n) > 0) found.push(name as string);
    }
    return found.sort();
  }

  it('are hashed or cut off before they leave the node, in every table, or kept', async () => {
    const [hashed, port, byAdmin, network] = await stored('hash-1', { addresses: 'hash', addressKey: 'secret' });
    assert.match(String(hashed), /^hash-[0-9a-f]{16}$/);
    assert.equal(byAdmin, hashed);
    assert.equal(port, '0');
    assert.match(String(network), /^hash-[0-9a-f]{16}$/);
    assert.deepEqual(await tablesWith('203.0.113'), []);

    const cut = await stored('cut-1', { addresses: 'truncate' });
    assert.deepEqual(cut, ['203.0.113.0/24', '0', '203.0.113.0/24', '203.0.113.0/24']);
    assert.deepEqual(await tablesWith(ADDRESS), []);

    const kept = await stored('keep-1', { addresses: 'keep' });
    assert.deepEqual(kept, [ADDRESS, String(PORT), ADDRESS, '203.0.113.0/24']);
    assert.ok((await tablesWith(ADDRESS)).includes('connection_events'), 'what is looked for would be found');
  });
});
