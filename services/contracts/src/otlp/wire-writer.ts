/**
 * Writes the protobuf wire format: the few messages of OTLP that Weir itself makes (answers of the receiver, JSON
 * turned into protobuf, resources with attributes added). Before it: values; after it: bytes that wire.ts reads.
 */
import { WIRE } from './wire.ts';

/** Collects the fields of one message, in the order they are added. */
export class WireWriter {
  readonly #parts: Uint8Array[] = [];

  /** Whole unsigned number up to 2^53, or a bigint taken as 64 bits (negative ones as two's complement). */
  varint(field: number, value: number | bigint): this {
    return this.#add(tag(field, WIRE.varint), varintBytes(value));
  }

  /** 64 bits. */
  fixed64(field: number, value: bigint): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt.asUintN(64, value));
    return this.#add(tag(field, WIRE.fixed64), bytes);
  }

  fixed32(field: number, value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value >>> 0);
    return this.#add(tag(field, WIRE.fixed32), bytes);
  }

  double(field: number, value: number): this {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(value);
    return this.#add(tag(field, WIRE.fixed64), bytes);
  }

  text(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value, 'utf8'));
  }

  /** A length-delimited field; `value` is kept, not copied, until {@link finish}. */
  bytes(field: number, value: Uint8Array): this {
    return this.#add(tag(field, WIRE.bytes), varintBytes(value.length), value);
  }

  /** Bytes that are fields already. */
  raw(fields: Uint8Array): this {
    return this.#add(fields);
  }

  /** The message, of its own memory. */
  finish(): Buffer {
    return Buffer.concat(this.#parts);
  }

  #add(...parts: Uint8Array[]): this {
    this.#parts.push(...parts);
    return this;
  }
}

/** Bytes of a varint; a bigint is taken as 64 bits. */
export function varintBytes(value: number | bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

function tag(field: number, wireType: number): Buffer {
  return varintBytes(field * 8 + wireType);
}
