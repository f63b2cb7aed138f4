/** The dead man's switch: a real HTTP server hears of ingest while rows reach ClickHouse, and only then. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { startTestIngest, type TestIngest } from '@weir/test/harness/ingest';
import { startPipeline, type TestPipeline } from '@weir/test/harness/pipeline';
import { eventually } from '@weir/test/harness/wait';

const INTERVAL_MS = 250;

describe('the dead man’s switch', () => {
  let pipeline: TestPipeline;
  let ingest: TestIngest;
  let server: Server;
  const calls: { method: string | undefined; body: string }[] = [];
  /** How the watchdog answers. */
  let answer: 'well' | 'badly' | 'not at all' = 'well';
  before(async () => {
    pipeline = await startPipeline();
    server = createServer((request, response) => {
      void text(request).then((body) => {
        calls.push({ method: request.method, body });
        if (answer !== 'not at all') response.writeHead(answer === 'well' ? 204 : 500).end();
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    ingest = await startTestIngest({
      ...pipeline,
      config: {
        telemetry: { intervalMs: 100 },
        ingest: { name: 'ingest-1', selfTelemetry: true },
        deadman: deadman('POST'),
      },
    });
  });
  after(async () => {
    await ingest?.close();
    server?.closeAllConnections();
    server?.close();
    await pipeline?.close();
  });
  const deadman = (method: 'GET' | 'POST') => ({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/ping/secret`,
    method,
    intervalMs: INTERVAL_MS,
    timeoutMs: 200,
  });
  const counted = (result: string) => ingest.metric('weir_ingest_deadman_calls_total', { result });
  const oneMore = async (result: string, by = 1) => {
    const before = await counted(result);
    await eventually(
      () => counted(result),
      (count) => count >= before + by,
    );
  };

  it('is called while batches are written, and says who calls', async () => {
    await oneMore('sent', 3);
    assert.ok(calls.length >= 3);
    const { method, body } = calls.at(-1) as (typeof calls)[0];
    const said = JSON.parse(body) as { cluster: string; copy: string; batches: number };
    assert.deepEqual([method, said.cluster, said.copy], ['POST', 'weir', 'ingest-1']);
    assert.ok(said.batches > 0);
  });

  it('is not called while the store is dead, and again when rows are written', async () => {
    await pipeline.store.kill9();
    await oneMore('withheld');
    const heard = calls.length;
    await oneMore('withheld', 4);
    assert.equal(calls.length, heard);
    await pipeline.store.restart();
    await oneMore('sent');
    assert.ok(calls.length > heard);
  });

  it('is not called while NATS is dead', async () => {
    await pipeline.nats.kill9();
    await oneMore('withheld');
    const heard = calls.length;
    await oneMore('withheld', 4);
    assert.equal(calls.length, heard);
    await pipeline.nats.restart();
    await oneMore('sent');
  });

  it('counts a watchdog that answers badly or not at all, and goes on writing', async () => {
    answer = 'badly';
    await oneMore('failed', 2);
    answer = 'not at all';
    await oneMore('failed', 2);
    const before = await ingest.metric('weir_ingest_batches_total');
    await eventually(
      () => ingest.metric('weir_ingest_batches_total'),
      (count) => count > before,
    );
    answer = 'well';
    await oneMore('sent');
  });

  it('asks by GET where that is wanted, and a copy that writes nothing does not call', async () => {
    await ingest.stop();
    const idle = await startTestIngest({
      ...pipeline,
      config: { ingest: { name: 'idle' }, deadman: deadman('GET') },
    });
    const count = (result: string) => idle.metric('weir_ingest_deadman_calls_total', { result });
    try {
      // what the other copy left behind is written first; then nothing is, and nobody calls
      await eventually(
        () => idle.partitions(),
        (owned) => owned.length === 4,
      );
      let [quietSince, sent] = [0, -1];
      await eventually(
        async () => {
          const [withheldNow, sentNow] = await Promise.all([count('withheld'), count('sent')]);
          if (sentNow !== sent) [quietSince, sent] = [withheldNow, sentNow];
          return withheldNow - quietSince;
        },
        (looks) => looks >= 5,
      );
      assert.equal(calls.filter(({ method }) => method === 'GET').length, sent);
    } finally {
      await idle.close();
    }
  });
});
