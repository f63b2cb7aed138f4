/** The bench's table, printed row by row as it is measured. */
import type { Measurement } from './measure.ts';

type Say = (line: string) => void;

const COLUMNS: readonly [title: string, width: number, value: (row: Measurement) => string | number][] = [
  ['viewers', 8, ({ viewers }) => viewers],
  ['CPU %', 8, ({ cpuPercent }) => cpuPercent.toFixed(1)],
  ['kernel', 8, ({ kernelPercent }) => `${kernelPercent}%`],
  ['waited', 8, ({ waitedPercent }) => `${waitedPercent}%`],
  ['µs/viewer-s', 12, ({ microsPerViewerSecond }) => microsPerViewerSecond.toFixed(1)],
  ['RSS MB', 8, ({ residentMegabytes }) => residentMegabytes.toFixed(0)],
  ['kB/viewer', 10, ({ kilobytesPerViewer }) => kilobytesPerViewer.toFixed(0)],
  ['flush ms', 9, ({ longestFlushMs }) => longestFlushMs ?? '-'],
  ['first frame p50/p95 ms', 24, ({ firstFrameMs: { p50, p95 } }) => `${p50} / ${p95}`],
  ['gap p50 ms', 11, ({ longestGapMs }) => longestGapMs.p50],
  ['whole', 8, ({ whole, viewers }) => `${((100 * whole) / viewers).toFixed(1)}%`],
  ['lost', 6, ({ failed, lost }) => failed + lost],
  ['load %', 7, ({ loadCores }) => (100 * loadCores).toFixed(0)],
];

/** Titles. */
export function printTitle(say: Say): void {
  say(`${'server'.padEnd(16)}${COLUMNS.map(([title, width]) => title.padStart(width)).join('')}`);
}

/** One measurement. */
export function printRow(say: Say, row: Measurement): void {
  say(`${row.server.padEnd(16)}${COLUMNS.map(([, width, value]) => String(value(row)).padStart(width)).join('')}`);
}
