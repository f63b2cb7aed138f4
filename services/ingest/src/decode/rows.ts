/**
 * Rows of one batch for all tables but `metric_samples`, as JSONEachRow text: a handful per node and batch, where being
 * readable counts more than speed. Before it: the decoders; after it: the inserts.
 */
import { TABLE } from '@weir/contracts/tables';

/** Tables ingest writes as JSON rows. */
export const JSON_TABLES = [
  TABLE.metricSeries,
  TABLE.histogramSamples,
  TABLE.machineReports,
  TABLE.nodeReports,
  TABLE.otlpSenders,
  TABLE.connectionEvents,
  TABLE.failovers,
  TABLE.logs,
  TABLE.viewerMeasurements,
  TABLE.viewerEvents,
  TABLE.viewerSpans,
] as const;

export type JsonTable = (typeof JSON_TABLES)[number];

/** Where each table's rows end, see {@link JsonRows.mark}. */
export interface RowsMark {
  readonly rows: readonly number[];
  readonly bytes: readonly number[];
}

/**
 * The rows of each table as bytes that are ready to be sent: text is encoded as it comes, so that a batch of long rows
 * never stands in memory as strings. Used again after {@link JsonRows.clear}.
 */
export class JsonRows {
  readonly #lines = new Map(JSON_TABLES.map((table) => [table, new Lines()]));

  /** Bytes of all rows. */
  get bytes(): number {
    let bytes = 0;
    for (const lines of this.#lines.values()) bytes += lines.bytes;
    return bytes;
  }

  /** Adds one row, a JSON object without line breaks. */
  add(table: JsonTable, json: string): void {
    (this.#lines.get(table) as Lines).add(json);
  }

  /** Rows of a table, and their bytes: valid until something is added or cleared. */
  of(table: JsonTable): { rows: number; bytes: Uint8Array } {
    const lines = this.#lines.get(table) as Lines;
    return { rows: lines.rows, bytes: lines.written };
  }

  /** Where the rows end now, for {@link truncate}. */
  mark(): RowsMark {
    const lines = [...this.#lines.values()];
    return { rows: lines.map(({ rows }) => rows), bytes: lines.map(({ bytes }) => bytes) };
  }

  /** Takes back what was added since `mark`. */
  truncate(mark: RowsMark): void {
    let at = 0;
    for (const lines of this.#lines.values()) {
      lines.rows = mark.rows[at] as number;
      lines.bytes = mark.bytes[at] as number;
      at++;
    }
  }

  clear(): void {
    for (const lines of this.#lines.values()) lines.clear();
  }
}

const FIRST_BYTES = 4_096;
/** What an unusually long batch took is given back. */
const KEPT_BYTES = 1_048_576;

class Lines {
  rows = 0;
  bytes = 0;
  #memory: Buffer = Buffer.alloc(0);

  get written(): Uint8Array {
    return this.#memory.subarray(0, this.bytes);
  }

  add(text: string): void {
    // UTF-8 takes three bytes at most for each unit of a string, and the line break one
    const most = this.bytes + text.length * 3 + 1;
    if (most > this.#memory.length) this.#grow(most);
    this.bytes += this.#memory.write(text, this.bytes, 'utf8');
    this.#memory[this.bytes++] = LINE_BREAK;
    this.rows++;
  }

  clear(): void {
    this.rows = 0;
    this.bytes = 0;
    if (this.#memory.length > KEPT_BYTES) this.#memory = Buffer.alloc(0);
  }

  #grow(atLeast: number): void {
    const memory = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, atLeast, this.#memory.length * 2));
    memory.set(this.written);
    this.#memory = memory;
  }
}

const LINE_BREAK = 0x0a;

/** Unix time in ms as a DateTime64(3) in JSON, quotes included: UTC, like all columns. */
export function jsonTime(timeMs: number): string {
  const iso = new Date(timeMs).toISOString();
  return `"${iso.slice(0, 10)} ${iso.slice(11, 23)}"`;
}

/** A number as ClickHouse reads a Float64 from JSON, which knows no NaN. */
export function jsonFloat(value: number): string {
  if (Number.isFinite(value)) return String(value);
  // in quotes: a bare nan is taken for a broken null
  return Number.isNaN(value) ? '"nan"' : value > 0 ? '"inf"' : '"-inf"';
}
