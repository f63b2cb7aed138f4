/** Prints what test/ha measured beside what was aimed at and what the source of the design reports. */
import type { Row } from './vm/results.ts';

export function printTable(title: string, rows: readonly Row[]): void {
  const cells = rows.map((row) => [
    row.passed ? 'ok' : 'FAIL',
    row.check,
    row.measured,
    row.target ?? '',
    row.source ?? '',
  ]);
  const table = [['', 'check', 'measured', 'target', 'source'], ...cells];
  const widths = (table[0] ?? []).map((_, at) => Math.max(...table.map((row) => row[at]?.length ?? 0)));
  const lines = table.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  process.stderr.write(`\n${title}\n${lines.join('\n')}\n\n`);
}
