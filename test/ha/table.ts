/** What test/ha measured, beside what was aimed at and what the source of the design reports. */
import assert from 'node:assert/strict';

/** One row of the table. */
export interface Row {
  check: string;
  passed: boolean;
  /** What was measured, as a person reads it. */
  measured: string;
  /** What was aimed at; assertions allow three times a time. */
  target?: string;
  /** What the source of this design reports. */
  source?: string;
  /** Details of a failure. */
  detail?: string;
}

/** Rows as they are found: each is told at once, so that a run that is cut short has shown what it has shown. */
export class Rows {
  readonly all: Row[] = [];

  /** @throws AssertionError when it is not as it should be. */
  found(row: Row): void {
    this.all.push(row);
    process.stderr.write(`${row.passed ? 'ok  ' : 'FAIL'} ${row.check}: ${row.measured}\n`);
    assert.ok(row.passed, `${row.check}: ${row.measured} ${row.detail ?? ''}`);
  }
}

export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(2)} s`;
}

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
