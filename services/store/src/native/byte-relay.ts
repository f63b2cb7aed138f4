/**
 * Bytes on their way through: read where they must be understood, passed on untouched otherwise, with room to put bytes in
 * between. Holds one chunk at a time, so memory does not grow with the result.
 */

/** Takes a chunk; resolves when more may come. The chunk is the taker's. */
export type ByteSink = (chunk: Buffer) => Promise<void>;

/** Thrown when the input ends in the middle of a value: whoever wrote it failed. */
export class TruncatedInput extends RangeError {}

/** Reads chunks from `input`; all that is read or passed goes to the sink in order. */
export class ByteRelay {
  readonly #input: AsyncIterator<Buffer>;
  readonly #sink: ByteSink;
  #chunk: Buffer = Buffer.alloc(0);
  /** Next byte to read. */
  #at = 0;
  /** First byte that was read and not handed to the sink. */
  #from = 0;

  constructor(input: AsyncIterable<Buffer>, sink: ByteSink) {
    this.#input = input[Symbol.asyncIterator]();
    this.#sink = sink;
  }

  /** True when nothing is left; waits for the next chunk to know. */
  async ended(): Promise<boolean> {
    return this.#at >= this.#chunk.length && !(await this.#more());
  }

  /** Hands all that was read to the sink. */
  async flush(): Promise<void> {
    if (this.#from < this.#at) await this.#sink(this.#chunk.subarray(this.#from, this.#at));
    this.#from = this.#at;
  }

  /** Puts `bytes` where reading is. */
  async insert(bytes: Buffer): Promise<void> {
    await this.flush();
    await this.#sink(bytes);
  }

  /** Passes `count` bytes on. */
  async pass(count: number): Promise<void> {
    let left = count;
    while (left > 0) {
      if (this.#at >= this.#chunk.length) await this.#need();
      const step = Math.min(left, this.#chunk.length - this.#at);
      this.#at += step;
      left -= step;
    }
  }

  /** Reads a number in LEB128, as ClickHouse writes counts and lengths. */
  async varUint(): Promise<number> {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      if (this.#at >= this.#chunk.length) await this.#need();
      const byte = this.#chunk[this.#at++]!;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  }

  /** Reads `count` bytes. */
  async bytes(count: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    let left = count;
    while (left > 0) {
      if (this.#at >= this.#chunk.length) await this.#need();
      const part = this.#chunk.subarray(this.#at, this.#at + left);
      parts.push(part);
      this.#at += part.length;
      left -= part.length;
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  /** Reads a little-endian UInt64 that fits a number. */
  async uint64(): Promise<number> {
    return Number((await this.bytes(8)).readBigUInt64LE());
  }

  /** Passes `count` strings, each a length and its bytes; the loop that matters for speed. */
  async passStrings(count: number): Promise<void> {
    for (let left = count; left > 0; left--) {
      const chunk = this.#chunk;
      const length = chunk[this.#at];
      if (length !== undefined && length < 0x80 && this.#at + 1 + length <= chunk.length) this.#at += 1 + length;
      else await this.pass(await this.varUint());
    }
  }

  async #need(): Promise<void> {
    if (!(await this.#more())) throw new TruncatedInput('The result ends in the middle of a block');
  }

  async #more(): Promise<boolean> {
    await this.flush();
    for (;;) {
      const { value, done } = await this.#input.next();
      if (done) return false;
      if (value.length === 0) continue;
      this.#chunk = value;
      this.#at = 0;
      this.#from = 0;
      return true;
    }
  }
}
