/** `weir up` as a supervisor: found by the other commands, restarts what dies, leaves nothing behind however it ends. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startSystem, type TestSystem } from '../harness/system.ts';
import { waitFor } from '../harness/wait.ts';
import { weir } from './cli-process.ts';

/** Ids of all processes that have `dataDir` in their command line. */
function processesOf(dataDir: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`${dataDir}/`);
      } catch {
        return false;
      }
    })
    .map(Number);
}

describe('a running system', { skip: process.platform !== 'linux', timeout: 120_000 }, () => {
  let system: TestSystem;
  let data: string[];
  before(async () => {
    system = await startSystem(['--edges', '1', '--origins', '1']);
    data = ['--data', system.ready.dataDir];
  });
  after(async () => {
    await system?.close();
  });

  it('tells its parts, ports and pids, but no passwords', () => {
    const { ready } = system;
    assert.deepEqual(Object.keys(ready.pids).toSorted(), ['edge-1', 'ingest', 'nats', 'origin-1', 'store']);
    assert.ok(Object.values(ready.pids).every((pid) => pid > 0));
    assert.deepEqual(Object.keys(ready.urls).toSorted(), ['ClickHouse', 'NATS', 'ingest']);
    assert.doesNotMatch(JSON.stringify(ready), /assword/);
    assert.equal(statSync(join(ready.dataDir, 'run.json')).mode & 0o777, 0o600);
  });

  it('is found by sql, in each way a query can come', async () => {
    const table = await weir(['sql', ...data, "SELECT 'edge-1' AS node, 3 AS viewers;"]);
    assert.match(table.stdout, /│ edge-1 │ +3 │/);
    const json = await weir(['sql', ...data, '--json', '-'], { input: 'SELECT 1 AS a' });
    assert.equal(json.stdout, '{"a":1}\n');
    const csv = await weir(['sql', ...data, '--format', 'CSV', "SELECT 1, 'x'"]);
    assert.equal(csv.stdout, '1,"x"\n');
    assert.deepEqual([table.status, json.status, csv.status], [0, 0, 0]);
  });

  it('lets sql write only when asked to', async () => {
    const create = 'CREATE TABLE cli_test (a UInt8) ENGINE = MergeTree ORDER BY a';
    const refused = await weir(['sql', ...data, create]);
    assert.match(refused.stderr, /ClickHouse says: .*\(code \d+\) \[SQL_FAILED\]\n$/);
    assert.equal(refused.status, 1);
    const allowed = await weir(['sql', ...data, '--write', create]);
    assert.deepEqual([allowed.status, allowed.stderr], [0, '']);
    assert.equal((await weir(['sql', ...data, '--format', 'TSV', 'EXISTS cli_test'])).stdout, '1\n');
  });

  it('needs no migration any more', async () => {
    const again = await weir(['migrate', ...data, '--json']);
    const result = JSON.parse(again.stdout) as { applied: string[]; already: string[] };
    assert.deepEqual(result.applied, []);
    assert.ok(result.already.length > 0);
  });

  it('shows its nodes as alive', async () => {
    await waitFor('both nodes in weir nodes', async () => {
      const nodes = await weir(['nodes', ...data, '--json']);
      const list = JSON.parse(nodes.stdout) as { node: string; role: string; alive: object | null }[];
      return list.filter(({ alive }) => alive !== null).length === 2 ? list : undefined;
    });
    const table = await weir(['nodes', ...data]);
    assert.match(table.stdout, /^edge-1 +edge +alive/m);
    assert.match(table.stdout, /^origin-1 +origin +alive/m);
  });

  it('refuses a second one in the same directory, naming the first', async () => {
    const second = await weir(['up', ...data, '--ports', 'auto']);
    assert.match(second.stderr, new RegExp(`process ${system.ready.pid}\\).*\\[UP_RUNNING\\]`));
    assert.equal(second.status, 1);
  });

  it('starts a part again that was killed', async () => {
    for (const part of ['nats', 'edge-1']) {
      const before = system.pids()[part] as number;
      process.kill(before, 'SIGKILL');
      await waitFor(`${part} again`, async () => {
        const now = system.pids()[part];
        return now !== undefined && now !== before && now > 0 ? now : undefined;
      });
    }
  });

  it('stops with status 0 and leaves no process', async () => {
    assert.ok(processesOf(system.ready.dataDir).length >= 5);
    const startedAt = performance.now();
    assert.equal(await system.stop(), 0);
    assert.ok(performance.now() - startedAt < 5_000);
    assert.deepEqual(processesOf(system.ready.dataDir), []);
  });
});

describe('a supervisor that is killed outright', { skip: process.platform !== 'linux', timeout: 120_000 }, () => {
  it('leaves no process either, and its directory can be used again', async (test) => {
    const system = await startSystem(['--edges', '1']);
    test.after(() => system.close());
    const { dataDir } = system.ready;
    system.child.kill('SIGKILL');
    await once(system.child, 'close');
    await waitFor('all parts gone', async () => (processesOf(dataDir).length === 0 ? true : undefined));
    assert.match((await weir(['sql', '--data', dataDir, 'SELECT 1'])).stderr, /\[NOTHING_RUNS\]/);
    const again = await weir(['up', '--data', dataDir, '--ports', 'auto', '--json', '--for', '0']);
    assert.equal(again.status, 0);
    assert.equal(again.stdout.trimEnd().split('\n').length, 1);
  });
});
