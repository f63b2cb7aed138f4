/**
 * Rows of one batch for all tables but `metric_samples`, as JSONEachRow text: a handful per node and batch, where being
 * readable counts more than speed. Before it: the decoders; after it: the inserts.
 */
import { TABLE } from '@weir/contracts/tables';

/**
 * Tables ingest writes as JSON rows, in the order they are written: what a series is stands before its samples.
 */
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

/** Lines per table; `truncate` takes back what a message that failed had added. */
export class JsonRows {
  readonly #lines = new Map<JsonTable, string[]>(JSON_TABLES.map((table) => [table, []]));
  #characters = 0;

  /** Characters of all rows, about their bytes. */
  get characters(): number {
    return this.#characters;
  }

  get rows(): number {
    let rows = 0;
    for (const lines of this.#lines.values()) rows += lines.length;
    return rows;
  }

  /** Adds one row, a JSON object without line breaks. */
  add(table: JsonTable, json: string): void {
    this.lines(table).push(json);
    this.#characters += json.length;
  }

  lines(table: JsonTable): string[] {
    return this.#lines.get(table) as string[];
  }

  /** Row counts of now, for {@link truncate}. */
  mark(): ReadonlyMap<JsonTable, number> {
    return new Map(JSON_TABLES.map((table) => [table, this.lines(table).length]));
  }

  truncate(mark: ReadonlyMap<JsonTable, number>): void {
    for (const [table, length] of mark) {
      const lines = this.lines(table);
      for (let i = length; i < lines.length; i++) this.#characters -= (lines[i] as string).length;
      lines.length = length;
    }
  }

  clear(): void {
    for (const lines of this.#lines.values()) lines.length = 0;
    this.#characters = 0;
  }
}

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
