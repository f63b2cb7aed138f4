/**
 * A message whose acknowledgement was lost comes again after JetStream has forgotten its id and ClickHouse the tokens of
 * its batch. Both windows are made short here, and both are shown to be exceeded.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { loadConfig } from '@weir/contracts/config/load';
import { ensureTelemetryStreams } from '@weir/contracts/nats/streams';
import { ROLLUPS, TABLE } from '@weir/contracts/tables';
import type { TestIngest } from '@weir/test/harness/ingest';
import { type IngestPipeline, startIngestPipeline } from '@weir/test/harness/ingest-pipeline';
import { metricsPayload, TestOutbox } from '@weir/test/harness/otlp-sender';
import type { TestPipeline } from '@weir/test/harness/pipeline';
import { eventually } from '@weir/test/harness/wait';

const PARTITIONS = 4;
const JETSTREAM_WINDOW_MS = 100;
const CLICKHOUSE_WINDOW = 2;

describe('a message sent again after both windows of de-duplication', () => {
  let under: IngestPipeline;
  let pipeline: TestPipeline;
  let ingest: TestIngest;
  before(async () => {
    under = await startIngestPipeline();
    ({ pipeline, ingest } = under);
    // after ingest, which sets the windows it wants when it starts
    await ensureTelemetryStreams(await jetstreamManager(pipeline.connection), loadConfig(), JETSTREAM_WINDOW_MS);
    for (const table of [TABLE.metricSamples, ...ROLLUPS.map((rollup) => rollup.table)]) {
      const query = `ALTER TABLE ${table} MODIFY SETTING non_replicated_deduplication_window = ${CLICKHOUSE_WINDOW}`;
      await pipeline.clickhouse.command({ query });
    }
  });
  after(() => under?.close());

  it('is counted once, at every level, also by a new owner', async () => {
    const outbox = new TestOutbox(pipeline.connection, { node: 'again-1' }, PARTITIONS);
    const payload = (value: number) =>
      metricsPayload(outbox.sender, [{ metric: 'live.io', kind: 'counter', value, timeMs: Date.now() }]);
    const lost = payload(1_000);
    const first = await outbox.send('metrics', lost);
    let sum = 1_000;
    // more batches than ClickHouse keeps tokens of
    for (let value = 1; value <= 2 * CLICKHOUSE_WINDOW + 1; value++) {
      await outbox.send('metrics', payload(value));
      sum += value;
      await pipeline.holds("node = 'again-1'", { count: value + 1, sum });
    }
    await sleep(3 * JETSTREAM_WINDOW_MS);
    const count = 2 * CLICKHOUSE_WINDOW + 2;

    // the same id and the same number as the first time
    const again = await outbox.send('metrics', lost, { sequence: 1 });
    assert.notEqual(again, first, 'JetStream still knew the id: its window is not exceeded');
    await eventually(
      () => ingest.metric('weir_ingest_repeats_total'),
      (repeats) => repeats === 1,
    );
    await ingest.kill9();
    await sleep(3 * JETSTREAM_WINDOW_MS);
    const third = await outbox.send('metrics', lost, { sequence: 1 });
    assert.notEqual(third, again);
    await ingest.restart();
    await outbox.send('metrics', payload(7));
    await pipeline.holds("node = 'again-1'", { count: count + 1, sum: sum + 7 });
  });

  it('and ClickHouse had forgotten: the token alone would have let it in twice', async () => {
    const insert = (token: string) =>
      pipeline.clickhouse.command({
        query: `INSERT INTO ${TABLE.metricSamples} (time, node, metric, series_id, value) VALUES (now64(3), 'token-1', 'm', 1, 1)`,
        clickhouse_settings: { insert_deduplication_token: token },
      });
    const count = async () =>
      Number((await pipeline.row(`SELECT count() AS n FROM ${TABLE.metricSamples} WHERE node = 'token-1'`)).n);
    await insert('a');
    await insert('a');
    assert.equal(await count(), 1, 'within the window a token is known');
    for (const token of ['b', 'c', 'd']) await insert(token);
    await insert('a');
    assert.equal(await count(), 5, 'beyond it, it is not');
  });
});
