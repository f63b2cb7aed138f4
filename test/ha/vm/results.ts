/** What the suite finds: one row per check, written at once, so that a guest that dies still tells what it saw. */
import { writeFileSync } from 'node:fs';

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

/** How often the suite says that time passes in the guest. */
const ALIVE_MS = 2_000;

/** Collects rows into a file, and tells in another how much time has passed. */
export class Results {
  readonly #path: string;
  readonly #rows: Row[] = [];

  constructor(path: string) {
    this.#path = path;
    const tellAlive = () => writeFileSync(path.replace(/[^/]*$/, 'alive'), String(Math.round(performance.now())));
    setInterval(tellAlive, ALIVE_MS).unref();
  }

  add(row: Row): void {
    this.#rows.push(row);
    writeFileSync(this.#path, JSON.stringify(this.#rows));
    process.stdout.write(
      `[${(performance.now() / 1_000).toFixed(1)} s] ${row.passed ? 'ok  ' : 'FAIL'} ${row.check}: ${row.measured} ${row.detail ?? ''}\n`,
    );
  }

  get passed(): boolean {
    return this.#rows.every((row) => row.passed);
  }
}
