/** `weir dead-letters` against a real pipeline: an operator looks at what was put aside, mends the cause and plays it again. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { HEADER, TELEMETRY_STREAM } from '@weir/contracts/nats/names';
import { startTestIngest, type TestIngest } from '@weir/test/harness/ingest';
import { logsPayload, metricsPayload, TestOutbox } from '@weir/test/harness/otlp-sender';
import { startPipeline, type TestPipeline } from '@weir/test/harness/pipeline';
import { eventually } from '@weir/test/harness/wait';
import { weir } from './cli-process.ts';

interface Listed {
  id: number;
  node: string;
  signal: string;
  code: string;
  reason: string;
  sizeBytes: number;
  subject: string;
}

describe('weir dead-letters', () => {
  let pipeline: TestPipeline;
  let ingest: TestIngest;
  before(async () => {
    pipeline = await startPipeline();
    ingest = await startTestIngest(pipeline);
  });
  after(async () => {
    await ingest?.close();
    await pipeline?.close();
  });
  const run = (...args: string[]) => weir(['dead-letters', ...args, '--nats-servers', pipeline.nats.url]);
  const list = async (...args: string[]): Promise<Listed[]> => {
    const { stdout, status, stderr } = await run('list', '--json', ...args);
    assert.equal(status, 0, stderr);
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Listed);
  };
  const metrics = (node: string, value: number) =>
    metricsPayload({ node }, [{ metric: 'live.io', kind: 'counter', value, timeMs: Date.now() }]);

  it('says so when there are none, and what it does not understand', async () => {
    const { stdout, status } = await run('list');
    assert.equal(status, 0);
    assert.equal(stdout, 'There are no dead letters.\n');
    const wrong = await run('shred');
    assert.equal(wrong.status, 1);
    assert.match(wrong.stderr, /knows list, show, replay, drop, not "shred"\. \[DEAD_LETTER_ACTION\]/);
    assert.match((await run('drop')).stderr, /needs an id, or --all\. \[DEAD_LETTER_WHICH\]/);
    assert.match((await run('show', 'x')).stderr, /"x" is no id of a dead letter\. \[DEAD_LETTER_ID\]/);
    assert.match((await run('replay', '7')).stderr, /There is no dead letter 7; .* \[DEAD_LETTER_UNKNOWN\]/);
  });

  it('lists and shows what was put aside and why', async () => {
    const outbox = new TestOutbox(pipeline.connection, { node: 'letters-1' }, 4);
    await outbox.send('metrics', Buffer.from('no protobuf at all'));
    await outbox.send('metrics', metrics('somebody-else', 5));
    const letters = await eventually(
      () => list(),
      (found) => found.length === 2,
    );
    assert.deepEqual(
      letters.map(({ node, signal, code }) => ({ node, signal, code })),
      [
        { node: 'letters-1', signal: 'metrics', code: 'DECODE' },
        { node: 'letters-1', signal: 'metrics', code: 'NODE_MISMATCH' },
      ],
    );
    assert.equal(letters[0]?.sizeBytes, 'no protobuf at all'.length);
    assert.deepEqual(
      (await list('--code', 'DECODE')).map(({ id }) => id),
      [letters[0]?.id],
    );
    assert.deepEqual(await list('--node', 'nobody'), []);
    assert.deepEqual(
      (await list('--limit', '1')).map(({ id }) => id),
      [letters[1]?.id],
    );
    const table = (await run('list', '--limit', '1')).stdout;
    assert.match(table, /NODE_MISMATCH/);
    assert.match(table, /1 older ones are not shown/);
    const broken = (await run('show', String(letters[0]?.id))).stdout;
    assert.match(broken, /first bytes: 6e6f2070726f746f627566/);
    const foreign = (await run('show', String(letters[1]?.id))).stdout;
    assert.match(foreign, /resource service\.instance\.id="somebody-else"/);
    assert.match(foreign, /sum "live\.io" \(1 points\)/);
  });

  it('drops the chosen ones and no others', async () => {
    const letters = await list();
    const both = await run('drop', String(letters[0]?.id), '--code', 'NODE_MISMATCH');
    assert.match(both.stderr, /not both\. \[DEAD_LETTER_WHICH\]/);
    const { stdout } = await run('drop', '--all', '--code', 'DECODE', '--json');
    assert.deepEqual(JSON.parse(stdout), { dropped: 1 });
    assert.deepEqual(await list(), letters.slice(1));
    assert.equal((await run('drop', String(letters[1]?.id))).stdout, '1 dropped.\n');
    assert.deepEqual(await list(), []);
  });

  it('replays a letter once its cause is mended, and counts it once', async () => {
    const command = (query: string) => pipeline.clickhouse.command({ query });
    await command("ALTER TABLE logs ADD CONSTRAINT no_poison CHECK body != 'poison'");
    const outbox = new TestOutbox(pipeline.connection, { node: 'letters-2' }, 4);
    await outbox.send('logs', logsPayload(outbox.sender, [{ timeMs: Date.now(), body: 'poison' }]));
    const [letter] = await eventually(
      () => list(),
      (found) => found.length === 1,
    );
    assert.equal(letter?.code, 'REFUSED');
    await command('ALTER TABLE logs DROP CONSTRAINT no_poison');
    const careful = await run('replay', '--all');
    assert.equal(careful.status, 1);
    assert.match(careful.stderr, /1 letters with the code REFUSED were left.*\[DEAD_LETTER_PARTLY_STORED\]/);
    assert.equal((await run('replay', '--all', '--force')).stdout, '1 replayed.\n');
    await eventually(
      () => pipeline.row("SELECT count() AS n FROM logs WHERE node = 'letters-2'"),
      ({ n }) => n === '1',
    );
    assert.deepEqual(await list(), []);
    assert.match((await run('replay', String(letter?.id))).stderr, /\[DEAD_LETTER_UNKNOWN\]/);
    // whoever else reads the stream can still tell what it holds
    const manager = await jetstreamManager(pipeline.connection);
    const again = await manager.streams.getMessage(TELEMETRY_STREAM, { last_by_subj: letter?.subject ?? '' });
    assert.deepEqual([again?.header.get(HEADER.signal), again?.header.get(HEADER.sequence)], ['logs', '']);
  });
});
