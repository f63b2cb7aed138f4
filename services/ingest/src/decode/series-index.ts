/**
 * From the raw attribute bytes of a point to its series id, for all series of one resource, without an object per
 * sample. A sender repeats its series in the same order each time, so the series after the last one found is tried
 * first; only then the hash table. Columns instead of objects: about 100 bytes a series.
 */

/** Series of one resource. A series is known by `metric` (a number of the caller's) and its raw attributes. */
export class SeriesIndex {
  #count = 0;
  #next = 0;
  #keys: Uint8Array = new Uint8Array(1_024);
  #keyEnd = new Uint32Array(16);
  #metric = new Uint32Array(16);
  /** Halves of the ids: low at 2i, high at 2i + 1. */
  #ids = new Uint32Array(32);
  #announcedAtMs = new Float64Array(16);
  /** Open addressing; 0 = free, else index + 1. Always at most half full. */
  #table = new Int32Array(64);

  get size(): number {
    return this.#count;
  }

  /** Index of a series, or -1. */
  find(metric: number, source: Uint8Array, start: number, end: number): number {
    const guess = this.#next < this.#count ? this.#next : 0;
    if (this.#count > 0 && this.#is(guess, metric, source, start, end)) {
      this.#next = guess + 1;
      return guess;
    }
    const mask = this.#table.length - 1;
    for (let slot = hash(metric, source, start, end) & mask; ; slot = (slot + 1) & mask) {
      const index = (this.#table[slot] as number) - 1;
      if (index < 0) return -1;
      if (this.#is(index, metric, source, start, end)) {
        this.#next = index + 1;
        return index;
      }
    }
  }

  /** Adds a series that {@link find} did not find; the bytes are copied. */
  add(metric: number, source: Uint8Array, start: number, end: number, low: number, high: number): number {
    const index = this.#count;
    const keyStart = this.#keyStart(index);
    const keyEnd = keyStart + end - start;
    if (index === this.#metric.length) this.#grow(index * 2);
    if (keyEnd > this.#keys.length) {
      const keys = new Uint8Array(Math.max(keyEnd, this.#keys.length * 2));
      keys.set(this.#keys);
      this.#keys = keys;
    }
    this.#keys.set(source.subarray(start, end), keyStart);
    this.#keyEnd[index] = keyEnd;
    this.#metric[index] = metric;
    this.#ids[2 * index] = low;
    this.#ids[2 * index + 1] = high;
    this.#count++;
    this.#next = this.#count;
    if (this.#count * 2 > this.#table.length) this.#rehash();
    else this.#place(index, hash(metric, source, start, end));
    return index;
  }

  low(index: number): number {
    return this.#ids[2 * index] as number;
  }

  high(index: number): number {
    return this.#ids[2 * index + 1] as number;
  }

  /** Time of the last row in `metric_series`, Unix ms; 0 = none by this copy. */
  announcedAtMs(index: number): number {
    return this.#announcedAtMs[index] as number;
  }

  announce(index: number, timeMs: number): void {
    this.#announcedAtMs[index] = timeMs;
  }

  /** Makes all series be announced again. */
  forgetAnnouncements(): void {
    this.#announcedAtMs.fill(0);
  }

  #keyStart(index: number): number {
    return index === 0 ? 0 : (this.#keyEnd[index - 1] as number);
  }

  #is(index: number, metric: number, source: Uint8Array, start: number, end: number): boolean {
    if (this.#metric[index] !== metric) return false;
    const keys = this.#keys;
    const keyStart = this.#keyStart(index);
    const length = end - start;
    if ((this.#keyEnd[index] as number) - keyStart !== length) return false;
    for (let i = 0; i < length; i++) {
      if (keys[keyStart + i] !== source[start + i]) return false;
    }
    return true;
  }

  #place(index: number, hashed: number): void {
    const mask = this.#table.length - 1;
    let slot = hashed & mask;
    while (this.#table[slot] !== 0) slot = (slot + 1) & mask;
    this.#table[slot] = index + 1;
  }

  #rehash(): void {
    this.#table = new Int32Array(this.#table.length * 2);
    for (let index = 0; index < this.#count; index++) {
      const keyEnd = this.#keyEnd[index] as number;
      this.#place(index, hash(this.#metric[index] as number, this.#keys, this.#keyStart(index), keyEnd));
    }
  }

  #grow(capacity: number): void {
    this.#keyEnd = grown(this.#keyEnd, new Uint32Array(capacity));
    this.#metric = grown(this.#metric, new Uint32Array(capacity));
    this.#ids = grown(this.#ids, new Uint32Array(capacity * 2));
    this.#announcedAtMs = grown(this.#announcedAtMs, new Float64Array(capacity));
  }
}

function grown<T extends Uint32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** FNV-1a, 32 bit, with the high bits folded in (the table uses the low ones). */
function hash(metric: number, bytes: Uint8Array, start: number, end: number): number {
  let hashed = 0x811c9dc5 ^ metric;
  for (let i = start; i < end; i++) hashed = Math.imul(hashed ^ (bytes[i] as number), 0x01000193);
  return (hashed ^ (hashed >>> 15)) >>> 0;
}
