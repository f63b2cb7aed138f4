/**
 * AMF0 values of commands and data messages, both ways (AMF 0 specification, 2007), and AMF3 ones inside them (amf3.ts).
 * Bounded: nothing is read past the message, nesting is limited, and what cannot be decoded throws ProtocolError instead
 * of guessing.
 */
import { readAmf3 } from './amf3.ts';
import { ProtocolError } from './errors.ts';

/** What a command or data message can hold. Dates are Unix milliseconds. */
export type AmfValue = number | boolean | string | null | undefined | AmfValue[] | AmfObject;
/** An object or ECMA array; without a prototype, so that a peer's keys cannot reach one. */
export interface AmfObject {
  [key: string]: AmfValue;
}

const MARKER = {
  number: 0x00,
  boolean: 0x01,
  string: 0x02,
  object: 0x03,
  null: 0x05,
  undefined: 0x06,
  reference: 0x07,
  ecmaArray: 0x08,
  objectEnd: 0x09,
  strictArray: 0x0a,
  date: 0x0b,
  longString: 0x0c,
  unsupported: 0x0d,
  xml: 0x0f,
  typedObject: 0x10,
  amf3: 0x11,
} as const;

const MAX_DEPTH = 16;
const MAX_SHORT_STRING_BYTES = 0xffff;

/** All values of `payload` in order. @throws ProtocolError when one is cut off, unknown or nested too deep. */
export function decodeAmf(payload: Buffer): AmfValue[] {
  const reader = new AmfReader(payload);
  const values: AmfValue[] = [];
  while (!reader.atEnd) values.push(reader.value(0));
  return values;
}

/** The values one after the other. Arrays become strict arrays, `undefined` stays undefined. */
export function encodeAmf(...values: AmfValue[]): Buffer {
  const parts: Buffer[] = [];
  for (const value of values) encodeValue(value, parts);
  return Buffer.concat(parts);
}

/** `value` if it is an object (or ECMA array), else undefined. */
export function asAmfObject(value: AmfValue): AmfObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
}

class AmfReader {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  get atEnd(): boolean {
    return this.#at >= this.#buffer.length;
  }

  value(depth: number): AmfValue {
    if (depth > MAX_DEPTH) throw new ProtocolError('AMF', `AMF values are nested deeper than ${MAX_DEPTH}.`);
    const marker = this.#buffer[this.#take(1)] as number;
    switch (marker) {
      case MARKER.number:
        return this.#buffer.readDoubleBE(this.#take(8));
      case MARKER.boolean:
        return this.#buffer[this.#take(1)] !== 0;
      case MARKER.string:
        return this.#text(this.#buffer.readUInt16BE(this.#take(2)));
      case MARKER.longString:
      case MARKER.xml:
        return this.#text(this.#buffer.readUInt32BE(this.#take(4)));
      case MARKER.null:
        return null;
      case MARKER.undefined:
      case MARKER.unsupported:
        return undefined;
      case MARKER.reference:
        this.#take(2);
        return undefined;
      case MARKER.date: {
        const time = this.#buffer.readDoubleBE(this.#take(8));
        this.#take(2); // time zone, reserved
        return time;
      }
      case MARKER.ecmaArray:
        this.#take(4); // a hint only: the end marker counts
        return this.#object(depth);
      case MARKER.object:
        return this.#object(depth);
      case MARKER.typedObject:
        this.#text(this.#buffer.readUInt16BE(this.#take(2)));
        return this.#object(depth);
      case MARKER.strictArray:
        return this.#array(depth);
      case MARKER.amf3: {
        const { value, end } = readAmf3(this.#buffer, this.#at, MAX_DEPTH - depth);
        this.#at = end;
        return value;
      }
      default:
        throw new ProtocolError('AMF', `AMF marker 0x${marker.toString(16)} is unknown.`);
    }
  }

  #object(depth: number): AmfObject {
    const object = Object.create(null) as AmfObject;
    for (;;) {
      const key = this.#text(this.#buffer.readUInt16BE(this.#take(2)));
      if (key === '' && this.#buffer[this.#at] === MARKER.objectEnd) {
        this.#at += 1;
        return object;
      }
      object[key] = this.value(depth + 1);
    }
  }

  #array(depth: number): AmfValue[] {
    const count = this.#buffer.readUInt32BE(this.#take(4));
    if (count > this.#buffer.length - this.#at) throw new ProtocolError('AMF', 'An AMF array is cut off.');
    const values: AmfValue[] = [];
    for (let i = 0; i < count; i += 1) values.push(this.value(depth + 1));
    return values;
  }

  #text(length: number): string {
    const start = this.#take(length);
    return this.#buffer.toString('utf8', start, start + length);
  }

  /** Moves on by `bytes` and returns where they start. */
  #take(bytes: number): number {
    const start = this.#at;
    if (start + bytes > this.#buffer.length) throw new ProtocolError('AMF', 'An AMF value is cut off.');
    this.#at = start + bytes;
    return start;
  }
}

function encodeValue(value: AmfValue, parts: Buffer[]): void {
  switch (typeof value) {
    case 'number': {
      const bytes = Buffer.alloc(9);
      bytes.writeDoubleBE(value, 1);
      parts.push(bytes);
      return;
    }
    case 'boolean':
      parts.push(Buffer.from([MARKER.boolean, value ? 1 : 0]));
      return;
    case 'string':
      encodeText(value, parts);
      return;
    case 'undefined':
      parts.push(Buffer.from([MARKER.undefined]));
      return;
    case 'object':
      if (value === null) parts.push(Buffer.from([MARKER.null]));
      else if (Array.isArray(value)) encodeArray(value, parts);
      else encodeObject(value, parts);
  }
}

function encodeText(text: string, parts: Buffer[]): void {
  const bytes = Buffer.from(text, 'utf8');
  const long = bytes.length > MAX_SHORT_STRING_BYTES;
  const head = Buffer.alloc(long ? 5 : 3);
  head[0] = long ? MARKER.longString : MARKER.string;
  if (long) head.writeUInt32BE(bytes.length, 1);
  else head.writeUInt16BE(bytes.length, 1);
  parts.push(head, bytes);
}

function encodeArray(values: AmfValue[], parts: Buffer[]): void {
  const head = Buffer.alloc(5);
  head[0] = MARKER.strictArray;
  head.writeUInt32BE(values.length, 1);
  parts.push(head);
  for (const value of values) encodeValue(value, parts);
}

function encodeObject(object: AmfObject, parts: Buffer[]): void {
  parts.push(Buffer.from([MARKER.object]));
  for (const [key, value] of Object.entries(object)) {
    const bytes = Buffer.from(key, 'utf8');
    const length = Buffer.alloc(2);
    length.writeUInt16BE(bytes.length);
    parts.push(length, bytes);
    encodeValue(value, parts);
  }
  parts.push(Buffer.from([0, 0, MARKER.objectEnd]));
}
