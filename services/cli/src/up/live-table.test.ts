/** The live table: appended to a file, redrawn in place on a terminal, honest when the database is away. */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { describe, it } from 'node:test';
import type { Database } from '../clickhouse.ts';
import type { NodeLoad } from '../node-load.ts';
import { startLiveTable } from './live-table.ts';

const ROW: NodeLoad = {
  time: '2026-11-22 18:00:05',
  node: 'edge-1',
  role: 'edge',
  machine_id: 'm',
  cpu: 0.5,
  memory: 0.25,
  network_in_bits: 1_000_000,
  network_out_bits: null,
  process_cpu: 0.031,
  process_memory: 104_857_600,
  publishers: 1,
  viewers: 3,
  relays: 0,
  streams: 1,
};

class Screen extends EventEmitter {
  readonly written: string[] = [];
  readonly isTTY: boolean;
  readonly columns = 40;
  constructor(isTTY: boolean) {
    super();
    this.isTTY = isTTY;
  }
  write(text: string): void {
    this.written.push(text);
    this.emit('written');
  }
}

const database = (rows: () => Promise<NodeLoad[]>): Database => ({
  rows: rows as Database['rows'],
  stream: () => Promise.reject(new Error('not asked')),
  close: () => Promise.resolve(),
});

async function drawTwice(screen: Screen, source: Database): Promise<string> {
  const table = startLiveTable(source, screen, 1);
  while (!screen.written.join('').match(/edge-1[\s\S]*edge-1|says[\s\S]*says/)) await once(screen, 'written');
  table.stop();
  return screen.written.join('');
}

describe('the live table', () => {
  it('is appended where there is no terminal, with units and a dash for what is unknown', async () => {
    const text = await drawTwice(
      new Screen(false),
      database(async () => [ROW]),
    );
    assert.match(text, /edge-1 {2}edge +50\.0 % +25\.0 % +1\.0 Mbit\/s +– +3\.1 % +100\.0 MiB +1 +3 +0 +1\n/);
    assert.ok(!text.includes('\x1b'));
  });

  it('is drawn over itself on a terminal, and never wider than it', async () => {
    const text = await drawTwice(
      new Screen(true),
      database(async () => [ROW]),
    );
    assert.ok(text.includes('\x1b[4A\x1b[J'));
    const lines = text.replaceAll('\x1b[4A\x1b[J', '').split('\n');
    assert.ok(lines.every((line) => line.length <= 40));
  });

  it('says that the database is away and goes on', async () => {
    const text = await drawTwice(
      new Screen(false),
      database(() => Promise.reject(new Error('ClickHouse says no'))),
    );
    assert.match(text, /ClickHouse says no/);
  });
});
