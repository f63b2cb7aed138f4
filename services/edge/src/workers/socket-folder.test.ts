/** Where the sockets between primary and workers lie. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { isAbsolute, join, relative } from 'node:path';
import { describe, it } from 'node:test';
import { socketFolder } from './socket-folder.ts';

describe('the folder of a node’s sockets', () => {
  it('is a whole path in the node’s own folder, also when that is named from here, and those of the dead go', () => {
    const folder = mkdtempSync(join(tmpdir(), 'weir-sockets-'));
    const dead = join(folder, 'workers-999999999-abc');
    mkdirSync(dead);
    const made = socketFolder(relative(process.cwd(), folder));
    assert.ok(isAbsolute(made) && made.startsWith(folder), made);
    assert.equal(existsSync(dead), false);
    rmSync(folder, { recursive: true });
  });

  it('is the system’s when the node’s own has too long a path for a socket', () => {
    const folder = join(mkdtempSync(join(tmpdir(), 'weir-sockets-')), 'x'.repeat(100));
    const made = socketFolder(folder);
    assert.ok(made.startsWith(join(tmpdir(), 'workers-')), made);
    rmSync(made, { recursive: true });
    rmSync(join(folder, '..'), { recursive: true });
  });
});
