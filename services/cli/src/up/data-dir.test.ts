/** The data directory: ours, one holder, passwords kept private and over restarts. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { openDataDir } from './data-dir.ts';

const root = mkdtempSync(join(tmpdir(), 'weir-data-'));
after(() => rmSync(root, { recursive: true, force: true }));
const folder = (): string => join(mkdtempSync(join(root, 'd-')), 'data');

describe('the data directory', () => {
  it('keeps its passwords, which nobody else may read', () => {
    const path = folder();
    const first = openDataDir(path, false);
    first.release();
    const second = openDataDir(path, false);
    second.release();
    assert.deepEqual(second.secrets, first.secrets);
    assert.equal(new Set(Object.values(first.secrets)).size, 4);
    assert.equal(statSync(join(path, 'secrets.json')).mode & 0o777, 0o600);
  });

  it('has one holder, who is named', () => {
    const path = folder();
    const held = openDataDir(path, false);
    assert.throws(() => openDataDir(path, true), {
      code: 'UP_RUNNING',
      message: new RegExp(`${path} \\(process ${process.pid}\\)`),
    });
    held.release();
    openDataDir(path, false).release();
  });

  it('is emptied by fresh, but for fetched programs', () => {
    const path = folder();
    const before = openDataDir(path, false);
    before.release();
    for (const part of ['store', 'tools']) {
      mkdirSync(join(path, part));
      writeFileSync(join(path, part, 'file'), '');
    }
    const after = openDataDir(path, true);
    after.release();
    assert.equal(existsSync(join(path, 'store')), false);
    assert.equal(existsSync(join(path, 'tools', 'file')), true);
    assert.notEqual(after.secrets.relayKey, before.secrets.relayKey);
  });

  it('is never a folder with other things in it', () => {
    const path = folder();
    mkdirSync(path);
    writeFileSync(join(path, 'thesis.tex'), 'years of work');
    for (const fresh of [true, false]) assert.throws(() => openDataDir(path, fresh), { code: 'UP_NOT_OURS' });
    assert.equal(existsSync(join(path, 'thesis.tex')), true);
  });
});
