/** The table that `weir up` keeps on the screen: read back from ClickHouse every few seconds, redrawn in place on a terminal. */
import { errorMessage } from '@weir/contracts/errors';
import type { Database } from '../clickhouse.ts';
import { loadLines, recentLoad } from '../node-load.ts';

/** Where it is drawn; `process.stdout` is one. */
export interface Screen {
  write(text: string): unknown;
  isTTY?: boolean;
  /** Width of a terminal; a longer line would wrap and spoil the redrawing. */
  columns?: number;
}

/** A table that keeps itself up to date. */
export interface LiveTable {
  /** Something else is about to be printed: the next drawing begins below it. */
  interrupted(): void;
  stop(): void;
}

/** Draws now and every `intervalMs` until stopped. A database that is away is said in the table's place. */
export function startLiveTable(database: Database, screen: Screen, intervalMs: number): LiveTable {
  let drawnLines = 0;
  let busy = false;
  let stopped = false;

  const draw = async () => {
    if (busy) return; // a slow answer: the next tick will do
    busy = true;
    const lines = await content(database);
    busy = false;
    if (stopped) return;
    if (screen.isTTY === true && drawnLines > 0) screen.write(`\x1b[${drawnLines}A\x1b[J`);
    const width = screen.isTTY === true ? (screen.columns ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
    screen.write(`${lines.map((line) => line.slice(0, width)).join('\n')}\n`);
    drawnLines = lines.length;
  };
  const timer = setInterval(() => void draw(), intervalMs);
  void draw();
  return {
    interrupted() {
      drawnLines = 0;
    },
    stop() {
      stopped = true;
      clearInterval(timer);
    },
  };
}

async function content(database: Database): Promise<string[]> {
  try {
    const rows = await recentLoad(database);
    if (rows.length === 0) return ['', 'waiting for the first samples …'];
    return [
      '',
      `${rows
        .map((row) => row.time)
        .sort()
        .at(-1)} UTC, as ClickHouse has it`,
      ...loadLines(rows),
    ];
  } catch (error) {
    return ['', errorMessage(error)];
  }
}
