/**
 * The rows of one batch for `metric_samples`, as columns that grow and are used again. Before it: the metrics decoder;
 * after it: one Native block per batch. Rows of one metric are told first ({@link SampleColumns.begin}) and then filled
 * in one go, because what they share (who, what) is the same for all of them.
 */
import { dictionaryColumn, fixedColumn, type NativeColumn, nativeBlock } from './native-block.ts';

/** Columns that are the same for all points of one metric of one resource. */
export interface SampleOwner {
  cluster: string;
  site: string;
  machineId: string;
  /** Empty for figures of the whole machine. */
  node: string;
  metric: string;
}

const SHARED = ['cluster', 'site', 'machineId', 'node', 'metric'] as const;
const COLUMN_NAMES = { cluster: 'cluster', site: 'site', machineId: 'machine_id', node: 'node', metric: 'metric' };
const TWO_32 = 4_294_967_296;

/** Samples of one batch. */
export class SampleColumns {
  #rows = 0;
  #begun = 0;
  #owner: SampleOwner | undefined;
  /** Int64 milliseconds in halves, UInt64 ids in halves: low at 2i. */
  #times = new Uint32Array(2_048);
  #ids = new Uint32Array(2_048);
  #values = new Float64Array(1_024);
  readonly #shared = SHARED.map((field) => new DictionaryIndices(field));

  get rows(): number {
    return this.#rows;
  }

  /** The points added from now on belong to `owner`. */
  begin(owner: SampleOwner): void {
    this.#fill();
    this.#owner = owner;
  }

  /** Adds a row; `timeMs` ≥ 0. */
  add(timeMs: number, idLow: number, idHigh: number, value: number): void {
    const row = this.#rows;
    if (row === this.#values.length) this.#grow(row * 2);
    this.#times[2 * row] = timeMs % TWO_32;
    this.#times[2 * row + 1] = timeMs / TWO_32;
    this.#ids[2 * row] = idLow;
    this.#ids[2 * row + 1] = idHigh;
    this.#values[row] = value;
    this.#rows = row + 1;
  }

  /** Takes back all rows from `rows` on. */
  truncate(rows: number): void {
    this.#fill();
    this.#rows = rows;
    this.#begun = rows;
  }

  /** Empties it; the memory is used again, so what {@link toNative} gave is gone. */
  clear(): void {
    this.#rows = 0;
    this.#begun = 0;
    this.#owner = undefined;
    for (const column of this.#shared) column.clear();
  }

  /** One Native block that shares memory with these columns: valid until something is added or cleared. */
  toNative(): Uint8Array[] {
    this.#fill();
    const rows = this.#rows;
    const columns: NativeColumn[] = [
      fixedColumn('time', "DateTime64(3, 'UTC')", this.#times.subarray(0, 2 * rows)),
      ...this.#shared.map((column) => column.toNative(rows)),
      fixedColumn('series_id', 'UInt64', this.#ids.subarray(0, 2 * rows)),
      fixedColumn('value', 'Float64', this.#values.subarray(0, rows)),
    ];
    return nativeBlock(columns, rows);
  }

  #fill(): void {
    const owner = this.#owner;
    if (owner && this.#rows > this.#begun) {
      for (const column of this.#shared) column.fill(owner, this.#begun, this.#rows);
    }
    this.#begun = this.#rows;
  }

  #grow(capacity: number): void {
    const times = new Uint32Array(2 * capacity);
    const ids = new Uint32Array(2 * capacity);
    const values = new Float64Array(capacity);
    times.set(this.#times);
    ids.set(this.#ids);
    values.set(this.#values);
    this.#times = times;
    this.#ids = ids;
    this.#values = values;
  }
}

/** One LowCardinality column: each distinct text once, a number per row. */
class DictionaryIndices {
  readonly #field: keyof SampleOwner;
  readonly #numbers = new Map<string, number>();
  readonly #dictionary: string[] = [];
  #indices = new Uint32Array(1_024);

  constructor(field: keyof SampleOwner) {
    this.#field = field;
  }

  fill(owner: SampleOwner, from: number, to: number): void {
    if (to > this.#indices.length) {
      const indices = new Uint32Array(Math.max(to, this.#indices.length * 2));
      indices.set(this.#indices);
      this.#indices = indices;
    }
    this.#indices.fill(this.#number(owner[this.#field]), from, to);
  }

  clear(): void {
    this.#numbers.clear();
    this.#dictionary.length = 0;
  }

  toNative(rows: number): NativeColumn {
    return dictionaryColumn(COLUMN_NAMES[this.#field], this.#dictionary, this.#indices.subarray(0, rows));
  }

  #number(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    const number = this.#dictionary.length;
    this.#numbers.set(text, number);
    this.#dictionary.push(text);
    return number;
  }
}
