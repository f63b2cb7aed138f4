/** A child's log: bounded, with the last lines at hand. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { openLog } from './bounded-log.ts';

const root = mkdtempSync(join(tmpdir(), 'weir-log-'));
after(() => rmSync(root, { recursive: true, force: true }));

describe('a child’s log', () => {
  it('never takes more than twice its bound on disk', () => {
    const path = join(root, 'a.log');
    const log = openLog(path, 1_000);
    for (let line = 0; line < 500; line++) log.append(Buffer.from(`line ${line}\n`));
    log.close();
    assert.ok(statSync(path).size <= 1_000 && statSync(`${path}.1`).size <= 1_000);
    assert.match(readFileSync(path, 'utf8'), /line 499\n$/);
  });

  it('keeps the run before beside it', () => {
    const path = join(root, 'b.log');
    for (const run of ['first', 'second']) {
      const log = openLog(path);
      log.append(Buffer.from(`${run}\n`));
      log.close();
    }
    assert.equal(readFileSync(`${path}.1`, 'utf8'), 'first\n');
    assert.equal(readFileSync(path, 'utf8'), 'second\n');
  });

  it('has the last lines at hand, also of the file before', () => {
    const log = openLog(join(root, 'c.log'), 10);
    log.append(Buffer.from('one\ntwo\n'));
    log.append(Buffer.from('three\n\n'));
    assert.deepEqual(log.lastLines(2), ['two', 'three']);
    log.close();
  });
});
