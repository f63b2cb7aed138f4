/** `weir sql` as a person at a shell uses it: a worked question with its parameters, and what is said when one is missing. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startTestStore, type TestStore } from '@weir/test/harness/store';
import { weir } from './cli-process.ts';

describe('weir sql', () => {
  let store: TestStore;
  let flags: string[];
  before(async () => {
    store = await startTestStore();
    const { name, password } = store.reader;
    const user = ['--clickhouse-read-user', name, '--clickhouse-read-password', password];
    flags = ['--clickhouse-url', store.url, '--clickhouse-database', 'default', ...user];
  });
  after(() => store?.close());

  it('fills in parameters, whatever is in them, also from a file with comments', async () => {
    const question = '-- Who?\n-- name String = edge-1\nSELECT {name:String} AS name, {at:DateTime} + 1 AS at;\n';
    const hostile = "x' OR '1'='1\\ = 😀";
    const given = ['--param', `name=${hostile}`, '--param', 'at=2026-11-23 12:00:00'];
    const answer = await weir(['sql', '--json', ...given, ...flags], { input: question });
    assert.deepEqual([answer.status, answer.stderr], [0, '']);
    assert.deepEqual(JSON.parse(answer.stdout), { name: hostile, at: '2026-11-23 12:00:01' });
  });

  it('says how to give a parameter that is missing or cannot be read', async () => {
    const missing = await weir(['sql', 'SELECT {name:String}', ...flags]);
    assert.match(missing.stderr, /name.*--param name=value gives it \[SQL_FAILED\]\n$/);
    const wrong = await weir(['sql', '--param', 'name', 'SELECT {name:String}', ...flags]);
    assert.match(wrong.stderr, /--param takes a name and a value.*not "name"\. \[SQL_PARAM\]\n$/);
    assert.deepEqual([missing.status, wrong.status], [1, 1]);
  });
});

describe('a data directory in which nothing runs', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-nothing-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('is never taken for the system on the usual ports', async () => {
    const commands = [['dead-letters', 'drop', '--all'], ['migrate'], ['status']];
    const answers = await Promise.all(commands.map((command) => weir([...command, '--data', folder])));
    for (const { stderr, stdout, status } of answers) {
      assert.match(stderr, /^weir: No system runs in .*\[NOTHING_RUNS\]\n$/);
      assert.deepEqual([status, stdout], [1, '']);
    }
  });
});
