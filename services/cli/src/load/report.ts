/** The figures of a load run for people. */
import { tableLines } from '../print/table.ts';
import { bitRate } from '../print/units.ts';
import type { Distribution } from './distribution.ts';
import { type LoadFigures, WHOLE_SHARE } from './run-load.ts';

/** Media that comes slower than this is not the whole stream, whatever the bytes say. */
const LEAST_MEDIA_RATE = 0.95;

/** Whether every viewer was let in, stayed, and got the whole stream in order. */
export function isClean(figures: LoadFigures): boolean {
  const { viewers, whole, failed, lost, sampled } = figures;
  const inStep = viewers === 0 || sampled.mediaRate.p50 >= LEAST_MEDIA_RATE;
  return failed === 0 && lost === 0 && whole === viewers && sampled.backwards === 0 && inStep;
}

/** Lines for a terminal. */
export function reportLines(figures: LoadFigures): string[] {
  const { viewers, playing, failed, lost, whole, seconds, sampled } = figures;
  const ms = (value: number) => `${value} ms`;
  const rows: [string, Distribution, (value: number) => string][] = [
    ['connect', figures.connectMs, ms],
    ['first frame', figures.firstFrameMs, ms],
    ['bitrate per viewer', figures.bitsPerSecond, bitRate],
    ['longest gap (sampled)', sampled.longestGapMs, ms],
    ['media seconds per second (sampled)', sampled.mediaRate, String],
  ];
  const keys = ['min', 'p5', 'p50', 'p95', 'max'] as const;
  const table = tableLines(
    [
      { title: '', value: ([name]: (typeof rows)[number]) => name },
      ...keys.map((key) => ({
        title: key,
        align: 'right' as const,
        value: ([, values, show]: (typeof rows)[number]) => show(values[key]),
      })),
    ],
    rows,
  );
  return [
    `${playing} of ${viewers} viewers played for ${seconds.toFixed(1)} s, ${whole} got the whole stream (at least ` +
      `${WHOLE_SHARE * 100} % of its bytes), ${failed} were refused, ${lost} were cut off.`,
    `All together ${bitRate(figures.totalBitsPerSecond)}; ${sampled.viewers} sampled, ${sampled.backwards} timestamps ` +
      `went back; the load generator took ${figures.ownCpu} of a core.`,
    ...figures.failures.map((failure) => `refused: ${failure}`),
    '',
    ...table,
  ];
}
