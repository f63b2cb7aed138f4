/**
 * AMF3 values inside AMF0 (marker 0x11), as clients with object encoding 3 may send them in commands (AMF 3 specification,
 * 2013). Read only: what we answer is AMF0. Before it: amf0.ts; after it: the same values as of AMF0. Bounded as that is.
 */
import type { AmfObject, AmfValue } from './amf0.ts';
import { ProtocolError } from './errors.ts';

const MARKER = {
  undefined: 0x00,
  null: 0x01,
  false: 0x02,
  true: 0x03,
  integer: 0x04,
  double: 0x05,
  string: 0x06,
  xmlDocument: 0x07,
  date: 0x08,
  array: 0x09,
  object: 0x0a,
  xml: 0x0b,
  byteArray: 0x0c,
} as const;

/** Sealed members, dynamic or not. */
interface Traits {
  names: string[];
  isDynamic: boolean;
}

/** The value that begins at `start`, and where it ends. @throws ProtocolError when it is cut off, unknown or too deep. */
export function readAmf3(buffer: Buffer, start: number, maxDepth: number): { value: AmfValue; end: number } {
  const reader = new Amf3Reader(buffer, start, maxDepth);
  const value = reader.value(0);
  return { value, end: reader.at };
}

class Amf3Reader {
  at: number;
  readonly #buffer: Buffer;
  readonly #maxDepth: number;
  // What was said before is referred to by its number: strings, objects of any kind, classes.
  readonly #strings: string[] = [];
  readonly #objects: AmfValue[] = [];
  readonly #traits: Traits[] = [];

  constructor(buffer: Buffer, start: number, maxDepth: number) {
    this.#buffer = buffer;
    this.at = start;
    this.#maxDepth = maxDepth;
  }

  value(depth: number): AmfValue {
    if (depth > this.#maxDepth) throw new ProtocolError('AMF', `AMF3 values are nested deeper than ${this.#maxDepth}.`);
    const marker = this.#buffer[this.#take(1)] as number;
    switch (marker) {
      case MARKER.undefined:
        return undefined;
      case MARKER.null:
        return null;
      case MARKER.false:
        return false;
      case MARKER.true:
        return true;
      case MARKER.integer: {
        const bits = this.#number();
        return bits >= 2 ** 28 ? bits - 2 ** 29 : bits;
      }
      case MARKER.double:
        return this.#buffer.readDoubleBE(this.#take(8));
      case MARKER.string:
        return this.#string();
      case MARKER.date:
        return this.#referable(() => this.#buffer.readDoubleBE(this.#take(8)));
      case MARKER.xmlDocument:
      case MARKER.xml:
      case MARKER.byteArray:
        return this.#referable((length) => {
          const start = this.#take(length);
          return this.#buffer.toString(marker === MARKER.byteArray ? 'latin1' : 'utf8', start, start + length);
        });
      case MARKER.array:
        return this.#array(depth);
      case MARKER.object:
        return this.#object(depth);
      default:
        throw new ProtocolError('AMF', `AMF3 marker 0x${marker.toString(16)} is unknown.`);
    }
  }

  /** A number of up to 29 bits: seven in each byte as long as the top one is set, eight in the fourth. */
  #number(): number {
    let value = 0;
    for (let count = 0; count < 4; count += 1) {
      const byte = this.#buffer[this.#take(1)] as number;
      if (count === 3) return value * 256 + byte;
      value = value * 128 + (byte & 0x7f);
      if (byte < 0x80) return value;
    }
    return value;
  }

  #string(): string {
    const head = this.#number();
    if ((head & 1) === 0) return this.#known(this.#strings, head >> 1);
    const length = head >> 1;
    const start = this.#take(length);
    const text = this.#buffer.toString('utf8', start, start + length);
    if (text !== '') this.#strings.push(text);
    return text;
  }

  /** A value without others in it, or a reference to one; `read` is given the number in its head. */
  #referable(read: (head: number) => AmfValue): AmfValue {
    const head = this.#number();
    if ((head & 1) === 0) return this.#known(this.#objects, head >> 1);
    const value = read(head >> 1);
    this.#objects.push(value);
    return value;
  }

  /** A list; one that has names besides is an object, its list under its numbers. */
  #array(depth: number): AmfValue {
    const head = this.#number();
    if ((head & 1) === 0) return this.#known(this.#objects, head >> 1);
    const count = head >> 1;
    if (count > this.#buffer.length - this.at) throw new ProtocolError('AMF', 'An AMF3 array is cut off.');
    const place = this.#objects.push(undefined) - 1;
    const named = Object.create(null) as AmfObject;
    const names = this.#dynamic(named, depth);
    const list: AmfValue[] = [];
    for (let index = 0; index < count; index += 1) list.push(this.value(depth + 1));
    const value = names === 0 ? list : Object.assign(named, list);
    this.#objects[place] = value;
    return value;
  }

  #object(depth: number): AmfValue {
    const head = this.#number();
    if ((head & 1) === 0) return this.#known(this.#objects, head >> 1);
    const traits = (head & 2) === 0 ? this.#known(this.#traits, head >> 2) : this.#newTraits(head);
    const object = Object.create(null) as AmfObject;
    this.#objects.push(object);
    for (const name of traits.names) object[name] = this.value(depth + 1);
    if (traits.isDynamic) this.#dynamic(object, depth);
    return object;
  }

  #newTraits(head: number): Traits {
    if ((head & 4) !== 0) throw new ProtocolError('AMF', 'An AMF3 object is in a form of its own.');
    const count = head >> 4;
    if (count > this.#buffer.length - this.at) throw new ProtocolError('AMF', 'An AMF3 class is cut off.');
    this.#string(); // the name of its class
    const names: string[] = [];
    for (let index = 0; index < count; index += 1) names.push(this.#string());
    const traits = { names, isDynamic: (head & 8) !== 0 };
    this.#traits.push(traits);
    return traits;
  }

  /** Names and values up to the empty name; returns how many. */
  #dynamic(object: AmfObject, depth: number): number {
    for (let count = 0; ; count += 1) {
      const name = this.#string();
      if (name === '') return count;
      object[name] = this.value(depth + 1);
    }
  }

  #known<T>(list: readonly T[], index: number): T {
    if (index >= list.length) throw new ProtocolError('AMF', 'An AMF3 reference points to nothing.');
    return list[index] as T;
  }

  /** Moves on by `bytes` and returns where they start. */
  #take(bytes: number): number {
    const start = this.at;
    if (start + bytes > this.#buffer.length) throw new ProtocolError('AMF', 'An AMF3 value is cut off.');
    this.at = start + bytes;
    return start;
  }
}
