/** The outbox on disk: order, bounds, restarts, damage. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { createLogger } from '@weir/contracts/logger';
import { type Outbox, type OutboxOptions, openOutbox } from './outbox.ts';

const payload = (size: number, fill = 1) => new Uint8Array(size).fill(fill);

describe('the outbox', () => {
  let dir: string;
  let outbox: Outbox;
  const open = (options: Partial<OutboxOptions> = {}) => {
    const path = join(dir, 'outbox.db');
    const defaults = { maxBytes: 10_000, maxAgeMs: 60_000, bootId: 'boot-1' };
    outbox = openOutbox({ path, logger: createLogger('test', 'silent'), ...defaults, ...options });
    return outbox;
  };
  const sequences = () => {
    const found: number[] = [];
    for (let message = outbox.take(); message; message = outbox.take()) {
      found.push(message.sequence);
      outbox.remove(message);
    }
    return found;
  };

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'weir-outbox-'));
  });
  afterEach(() => {
    outbox.close();
    rmSync(dir, { recursive: true, force: true });
  });

  it('gives back what it was given, in order, until it is removed', () => {
    open();
    outbox.put('metrics', payload(3, 7));
    outbox.put('logs', payload(5));
    const first = outbox.take();
    assert.deepEqual([first?.sequence, first?.signal, first?.outbox], [1, 'metrics', outbox.id]);
    assert.deepEqual(first?.payload, payload(3, 7));
    assert.equal(outbox.take()?.sequence, 1, 'taking is not removing');
    assert.deepEqual([outbox.messages, outbox.bytes], [2, 8]);
    if (first) outbox.remove(first);
    assert.equal(outbox.take()?.sequence, 2);
    assert.deepEqual([outbox.messages, outbox.bytes], [1, 5]);
  });

  it('keeps messages, identity and numbers over restarts, also when it was empty', () => {
    open();
    const { id } = outbox;
    outbox.put('metrics', payload(1));
    assert.deepEqual(sequences(), [1]);
    outbox.close();
    open();
    assert.equal(outbox.id, id);
    outbox.put('metrics', payload(1));
    outbox.close();
    open();
    outbox.put('metrics', payload(1));
    assert.deepEqual([outbox.messages, outbox.bytes], [2, 2]);
    assert.deepEqual(sequences(), [2, 3]);
  });

  it('goes on under a new identity after a boot, because a power cut may have undone numbers already used', () => {
    open();
    const before = outbox.id;
    for (let count = 0; count < 3; count++) outbox.put('metrics', payload(1));
    const first = outbox.take();
    if (first) outbox.remove(first);
    outbox.close();
    open({ bootId: 'boot-2' });
    assert.notEqual(outbox.id, before);
    outbox.put('metrics', payload(1));
    outbox.put('metrics', payload(1));
    const waiting: [string, number][] = [];
    for (let message = outbox.take(); message; message = outbox.take()) {
      waiting.push([message.outbox, message.sequence]);
      outbox.remove(message);
    }
    assert.deepEqual(waiting, [
      [before, 2],
      [before, 3],
      [outbox.id, 1],
      [outbox.id, 2],
    ]);
  });

  it('drops and counts the oldest beyond its bytes, but not the one on its way', () => {
    open({ maxBytes: 1_000 });
    for (let count = 0; count < 4; count++) outbox.put('metrics', payload(250));
    assert.equal(outbox.take()?.sequence, 1);
    outbox.put('metrics', payload(500));
    assert.equal(outbox.dropped.size, 2);
    assert.deepEqual([outbox.messages, outbox.bytes], [3, 1_000]);
    assert.deepEqual(sequences(), [1, 4, 5]);
  });

  it('drops and counts a message larger than the whole outbox', () => {
    open({ maxBytes: 1_000 });
    outbox.put('metrics', payload(1_001));
    outbox.put('metrics', payload(1));
    assert.equal(outbox.dropped.size, 1);
    assert.deepEqual(sequences(), [1], 'it took no number');
  });

  it('drops and counts what is too old', () => {
    mock.timers.enable({ apis: ['Date'], now: 1_000_000 });
    try {
      open({ maxAgeMs: 10_000 });
      outbox.put('metrics', payload(1));
      mock.timers.tick(6_000);
      outbox.put('metrics', payload(1));
      mock.timers.tick(6_000);
      outbox.put('metrics', payload(1));
      assert.equal(outbox.dropped.age, 1);
      assert.deepEqual(sequences(), [2, 3]);
    } finally {
      mock.timers.reset();
    }
  });

  it('is for one process at a time', () => {
    open();
    assert.throws(
      () => openOutbox({ path: join(dir, 'outbox.db'), maxBytes: 1, maxAgeMs: 1, logger: createLogger('t', 'silent') }),
      {
        code: 'OUTBOX_IN_USE',
      },
    );
  });

  it('says which folder it cannot use', () => {
    open();
    writeFileSync(join(dir, 'file'), '');
    const path = join(dir, 'file', 'outbox.db');
    assert.throws(() => openOutbox({ path, maxBytes: 1, maxAgeMs: 1, logger: createLogger('t', 'silent') }), {
      code: 'OUTBOX_FILE',
      message: /node\.dataDir/,
    });
  });

  it('puts a damaged file aside and starts a new identity', () => {
    open();
    const before = outbox.id;
    outbox.put('metrics', payload(1));
    outbox.close();
    writeFileSync(join(dir, 'outbox.db'), 'this was a database once, but no longer'.repeat(100));
    open();
    assert.notEqual(outbox.id, before);
    outbox.put('metrics', payload(1));
    assert.deepEqual(sequences(), [1]);
    assert.ok(readdirSync(dir).includes('outbox.db.damaged'));
  });

  it('gives the space of a drained backlog back to the disk', () => {
    open({ maxBytes: 100_000_000 });
    for (let count = 0; count < 60; count++) outbox.put('metrics', payload(500_000));
    sequences();
    const pages = 30;
    for (let count = 0; count < pages; count++) outbox.compact();
    outbox.close();
    assert.ok(statSync(join(dir, 'outbox.db')).size < 20_000_000);
    open();
  });
});
