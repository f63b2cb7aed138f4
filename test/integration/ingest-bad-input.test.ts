/** What ingest can't use: points left out and counted, messages put aside with the reason, rows that ClickHouse refuses. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { DEAD_LETTER_STREAM, HEADER } from '@weir/contracts/nats/names';
import type { TestIngest } from '@weir/test/harness/ingest';
import { type IngestPipeline, startIngestPipeline } from '@weir/test/harness/ingest-pipeline';
import { logsPayload, metricsPayload, type TestPoint } from '@weir/test/harness/otlp-sender';
import type { TestPipeline } from '@weir/test/harness/pipeline';
import { eventually } from '@weir/test/harness/wait';

describe('bad input', () => {
  let under: IngestPipeline;
  let pipeline: TestPipeline;
  let ingest: TestIngest;
  const outboxOf: IngestPipeline['outboxOf'] = (node, more) => under.outboxOf(node, more);

  before(async () => {
    under = await startIngestPipeline();
    ({ pipeline, ingest } = under);
  });
  after(() => under?.close());

  it('leaves out points it can’t store, counts them by reason, and keeps the others of the message', async () => {
    const outbox = outboxOf('skip-1');
    const timeMs = Date.now();
    const point = (more: Partial<TestPoint>): TestPoint => ({
      metric: 'live.io',
      kind: 'gauge',
      value: 1,
      timeMs,
      ...more,
    });
    const attributes = Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`a${index}`, 'x']));
    const points = [
      point({ attributes: { good: 1 } }),
      point({ value: Number.NaN, attributes: { n: 1 } }),
      point({ value: Number.POSITIVE_INFINITY, attributes: { n: 2 } }),
      point({ timeMs: 1_000 }),
      point({ timeMs: Date.UTC(2100, 0) }),
      point({ attributes }),
      point({ metric: 'x'.repeat(10_000) }),
      point({ metric: 'live.total', kind: 'cumulative' }),
    ];
    const reasons = { 'not-finite': 2, time: 2, attributes: 1, name: 1, temporality: 1 };
    await outbox.send('metrics', metricsPayload(outbox.sender, points));
    await pipeline.holds("node = 'skip-1'", { count: 1, sum: 1 });
    for (const [reason, count] of Object.entries(reasons)) {
      await eventually(
        () => ingest.metric('weir_ingest_skipped_total', { reason }),
        (found) => found === count,
        5_000,
        `${reason} ${count}`,
      );
    }
  });

  it('puts messages it can’t use aside with the reason, and stores nothing of them', async () => {
    const outbox = outboxOf('bad-1');
    const good = metricsPayload(outbox.sender, [{ metric: 'live.io', kind: 'counter', value: 1, timeMs: Date.now() }]);
    await outbox.send('metrics', Buffer.from('no protobuf at all'));
    await outbox.send('metrics', good.subarray(0, good.length - 5));
    await outbox.send('metrics', good, { subjectNode: 'somebody-else' });
    await outbox.send('faro', Buffer.from('no JSON'));
    await outbox.send('metrics', good);
    await pipeline.holds("node IN ('bad-1', 'somebody-else')", { count: 1, sum: 1 });
    const letters = await deadLetters(pipeline);
    assert.deepEqual(
      letters.map(({ subject, code }) => [subject.split('.').slice(3).join('.'), code]),
      [
        ['metrics.bad-1', 'DECODE'],
        ['metrics.bad-1', 'DECODE'],
        ['metrics.somebody-else', 'NODE_MISMATCH'],
        ['faro.bad-1', 'DECODE'],
      ],
    );
    assert.match(letters[2]?.reason ?? '', /subject of the node "somebody-else" but is of the node "bad-1"/);
    assert.equal(await ingest.metric('weir_ingest_dead_letters_total', { code: 'NODE_MISMATCH' }), 1);
  });

  it('finds the messages whose rows ClickHouse refuses, puts them aside and stores all others', async () => {
    const command = (query: string) => pipeline.clickhouse.command({ query });
    await command("ALTER TABLE logs ADD CONSTRAINT no_poison CHECK body != 'poison'");
    await ingest.stop();
    const outbox = outboxOf('refused-1');
    for (const body of ['a', 'b', 'poison', 'c', 'd', 'poison', 'e']) {
      await outbox.send('logs', logsPayload(outbox.sender, [{ timeMs: Date.now(), body }]));
      await outbox.send(
        'metrics',
        metricsPayload(outbox.sender, [{ metric: 'live.io', kind: 'counter', value: 1, timeMs: Date.now() }]),
      );
    }
    await ingest.restart();
    await pipeline.holds("node = 'refused-1'", { count: 7, sum: 7 });
    const ask = () => pipeline.rows("SELECT body FROM logs WHERE node = 'refused-1' ORDER BY body");
    const logs = await eventually(ask, (rows) => rows.length === 5);
    assert.equal(logs.map(({ body }) => body).join(''), 'abcde');
    await eventually(
      () => ingest.metric('weir_ingest_dead_letters_total', { code: 'REFUSED' }),
      (count) => count === 2,
    );
    await command('ALTER TABLE logs DROP CONSTRAINT no_poison');
  });
});

/** All dead letters, oldest first. */
async function deadLetters(pipeline: TestPipeline): Promise<{ subject: string; code: string; reason: string }[]> {
  const manager = await jetstreamManager(pipeline.connection);
  const { state } = await manager.streams.info(DEAD_LETTER_STREAM);
  await manager.consumers.add(DEAD_LETTER_STREAM, { durable_name: 'reader', ack_policy: AckPolicy.None });
  const consumer = await jetstream(pipeline.connection).consumers.get(DEAD_LETTER_STREAM, 'reader');
  const letters = [];
  for await (const message of await consumer.fetch({ max_messages: state.messages, expires: 5_000 })) {
    const header = (name: string) => message.headers?.get(name) ?? '';
    letters.push({ subject: message.subject, code: header(HEADER.reasonCode), reason: header(HEADER.reason) });
  }
  return letters;
}
