/** Several copies of ingest, and none: partitions are shared, handed over and taken over without a gap or a double. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestIngest, type TestIngest } from '@weir/test/harness/ingest';
import { startPipeline, type TestPipeline } from '@weir/test/harness/pipeline';
import { Traffic } from '@weir/test/harness/traffic';
import { eventually } from '@weir/test/harness/wait';

const PARTITIONS = 4;
const ALL = [0, 1, 2, 3];

describe('copies of ingest', () => {
  let pipeline: TestPipeline;
  const copies: TestIngest[] = [];
  const start = async (name: string) => {
    const config = { ingest: { name, batchMaxDelayMs: 30 }, telemetry: { partitions: PARTITIONS } };
    const copy = await startTestIngest({ ...pipeline, config });
    copies.push(copy);
    return copy;
  };
  const owns = (copy: TestIngest, partitions: number[]) =>
    eventually(
      () => copy.partitions(),
      (owned) => owned.join() === partitions.join(),
      30_000,
      partitions.join(),
    );

  before(async () => {
    pipeline = await startPipeline();
  });
  after(async () => {
    await Promise.all(copies.map((copy) => copy.close()));
    await pipeline?.close();
  });

  it('share the partitions, and take them over when one starts, stops, dies, hangs or all are gone', async () => {
    const traffic = new Traffic(pipeline.connection, 'copies', PARTITIONS);
    const a = await start('copy-a');
    await owns(a, ALL);

    const b = await start('copy-b');
    await owns(a, [0, 2]);
    await owns(b, [1, 3]);

    await a.stop();
    await owns(b, ALL);

    await a.restart();
    await owns(a, [0, 2]);
    await owns(b, [1, 3]);

    await b.kill9();
    await owns(a, ALL);

    await b.restart();
    await owns(b, [1, 3]);

    // a hangs with its leases in hand and possibly in the middle of a batch, until they are another's; then it goes on
    a.hang();
    await owns(b, ALL);
    a.goOn();
    await owns(a, [0, 2]);

    await Promise.all([a.kill9(), b.stop()]);
    const expected = await traffic.end();
    await a.restart();
    await pipeline.holds("node LIKE 'copies-%'", expected);
    assert.ok(expected.count > 1_000, `only ${expected.count} samples were sent`);
  });

  it('refuse a taken port by name', async () => {
    const port = Number(new URL((copies[0] as TestIngest).url).port);
    const config = { ingest: { name: 'copy-c', port } };
    await assert.rejects(startTestIngest({ ...pipeline, config }), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'INGEST_PORT_TAKEN');
      assert.match(error.message, new RegExp(`Port ${port} is taken.*ingest\\.port`));
      return true;
    });
  });
});
