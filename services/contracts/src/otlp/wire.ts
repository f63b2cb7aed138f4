/**
 * Reads the protobuf wire format in place. Telemetry comes from the network, so unlike general readers this one checks
 * every length against the message that holds it: input that lies costs nothing and ends in {@link OtlpError}.
 * Before it: bytes of a NATS message or an HTTP body; after it: the OTLP walkers beside this file.
 */
import { WeirError } from '../errors.ts';

/** Bytes that are not the OTLP message they should be; never retryable. */
export class OtlpError extends WeirError {
  constructor(message: string) {
    super('OTLP_DECODE', message);
    this.name = 'OtlpError';
  }
}

/** Wire types that OTLP uses; groups (3, 4) are refused. */
export const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

const TWO_32 = 4_294_967_296;

/**
 * A cursor over `bytes`, which stay the caller's and are never copied. All methods take `end`, the end of the message
 * being read, and throw {@link OtlpError} rather than read past it.
 */
export class WireReader {
  readonly bytes: Buffer;
  pos = 0;
  /** Wire type of the last {@link field}. */
  wireType = 0;
  /** Low and high half of the last {@link fixed64}. */
  low = 0;
  high = 0;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.bytes.length;
  }

  /** Number of the next field (its wire type goes to {@link wireType}), or 0 at the end of the message. */
  field(end: number): number {
    if (this.pos >= end) return 0;
    const tag = this.varint(end);
    this.wireType = tag & 7;
    const number = Math.floor(tag / 8);
    if (number === 0 || number > 536_870_911) throw this.#bad('a field number out of range');
    return number;
  }

  /** Unsigned varint; exact up to 2^53. */
  varint(end: number): number {
    const { bytes } = this;
    let value = 0;
    let factor = 1;
    for (let count = 0; count < 10; count++) {
      if (this.pos >= end) throw this.#truncated();
      const byte = bytes[this.pos++] as number;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
    throw this.#bad('a varint of more than 10 bytes');
  }

  /** Signed 64-bit varint (int64): a number when it is exact, else a bigint. */
  int64(end: number): number | bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (this.pos >= end) throw this.#truncated();
      const byte = this.bytes[this.pos++] as number;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) {
        const signed = BigInt.asIntN(64, value);
        const number = Number(signed);
        return Number.isSafeInteger(number) ? number : signed;
      }
    }
    throw this.#bad('a varint of more than 10 bytes');
  }

  /** Reads 8 bytes into {@link low} and {@link high}. */
  fixed64(end: number): void {
    const { pos } = this;
    if (pos + 8 > end) throw this.#truncated();
    this.low = this.#view.getUint32(pos, true);
    this.high = this.#view.getUint32(pos + 4, true);
    this.pos = pos + 8;
  }

  /** Unsigned 64-bit number; exact up to 2^53. */
  uint64(end: number): number {
    this.fixed64(end);
    return this.high * TWO_32 + this.low;
  }

  /** Signed 64-bit number; exact within ±2^53. */
  sint64(end: number): number {
    this.fixed64(end);
    return (this.high | 0) * TWO_32 + this.low;
  }

  double(end: number): number {
    const { pos } = this;
    if (pos + 8 > end) throw this.#truncated();
    this.pos = pos + 8;
    return this.#view.getFloat64(pos, true);
  }

  /** End of the length-delimited field that begins here. */
  bytesEnd(end: number): number {
    const length = this.varint(end);
    if (length > end - this.pos) throw this.#truncated();
    return this.pos + length;
  }

  /** UTF-8 text; broken sequences become U+FFFD. */
  text(end: number): string {
    const textEnd = this.bytesEnd(end);
    const text = this.bytes.toString('utf8', this.pos, textEnd);
    this.pos = textEnd;
    return text;
  }

  /** Throws unless the field just read has wire type `wanted`. */
  expect(wanted: number): void {
    if (this.wireType !== wanted) throw this.#bad(`wire type ${this.wireType} where ${wanted} belongs`);
  }

  /** Passes over the value of the field just read. */
  skip(end: number): void {
    switch (this.wireType) {
      case WIRE.varint:
        this.varint(end);
        return;
      case WIRE.fixed64:
        this.#advance(8, end);
        return;
      case WIRE.bytes:
        this.pos = this.bytesEnd(end);
        return;
      case WIRE.fixed32:
        this.#advance(4, end);
        return;
      default:
        throw this.#bad(`wire type ${this.wireType}`);
    }
  }

  #advance(count: number, end: number): void {
    if (this.pos + count > end) throw this.#truncated();
    this.pos += count;
  }

  #truncated(): OtlpError {
    return new OtlpError(
      `The OTLP payload of ${this.length} bytes ends early or has a wrong length at byte ${this.pos}.`,
    );
  }

  #bad(what: string): OtlpError {
    return new OtlpError(`The OTLP payload of ${this.length} bytes has ${what} at byte ${this.pos}.`);
  }
}

/** Milliseconds of a Unix time in nanoseconds given in two halves; exact, which a double of nanoseconds is not. */
export function nanosToMillis(low: number, high: number): number {
  // 2^32 = 4294 * 10^6 + 967296
  return high * 4_294 + Math.floor((high * 967_296 + low) / 1_000_000);
}
