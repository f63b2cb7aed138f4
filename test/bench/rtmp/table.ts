/** The bench's table, printed row by row as it is measured. */
import type { Measurement } from './measure.ts';

type Say = (line: string) => void;

const TITLES = ['viewers', 'CPU %', 'µs/viewer-s', 'RSS MB', 'first frame p50/p95 ms', 'gap p50 ms', 'whole', 'lost'];
const WIDTHS = [8, 8, 12, 8, 24, 11, 8, 6];

/** Titles. */
export function printTitle(say: Say): void {
  say(`${'server'.padEnd(16)}${TITLES.map((title, index) => title.padStart(WIDTHS[index] ?? 0)).join('')}`);
}

/** One measurement. */
export function printRow(say: Say, { server, ...row }: Measurement): void {
  const cells = [
    row.viewers,
    row.cpuPercent.toFixed(1),
    row.microsPerViewerSecond.toFixed(1),
    row.residentMegabytes.toFixed(0),
    `${row.firstFrameMs.p50} / ${row.firstFrameMs.p95}`,
    row.longestGapMs.p50,
    `${((100 * row.whole) / row.viewers).toFixed(1)}%`,
    row.failed + row.lost,
  ];
  say(`${server.padEnd(16)}${cells.map((cell, index) => String(cell).padStart(WIDTHS[index] ?? 0)).join('')}`);
}
