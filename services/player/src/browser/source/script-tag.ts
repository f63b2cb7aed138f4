/** Decodes a flat AMF0 script tag: a name and one object of numbers, booleans and strings. All else is left alone. */

/** Name and fields of a script tag. */
export interface ScriptTag {
  name: string;
  fields: Record<string, number | boolean | string>;
}

const NUMBER = 0;
const BOOLEAN = 1;
const STRING = 2;
const OBJECT = 3;
const ECMA_ARRAY = 8;
const OBJECT_END = 9;

/** The tag in `bytes` (its data, without the FLV tag header), or undefined when it holds anything else. */
export function decodeScriptTag(bytes: Uint8Array): ScriptTag | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const text = (): string => {
    const length = view.getUint16(at);
    at += 2 + length;
    if (at > bytes.length) throw new RangeError('cut off');
    return new TextDecoder().decode(bytes.subarray(at - length, at));
  };
  try {
    if (view.getUint8(at++) !== STRING) return undefined;
    const name = text();
    const kind = view.getUint8(at++);
    if (kind === ECMA_ARRAY) at += 4;
    else if (kind !== OBJECT) return undefined;
    const fields: ScriptTag['fields'] = {};
    for (;;) {
      const key = text();
      const marker = view.getUint8(at++);
      if (key === '' && marker === OBJECT_END) return { name, fields };
      if (marker === NUMBER) {
        fields[key] = view.getFloat64(at);
        at += 8;
      } else if (marker === BOOLEAN) fields[key] = view.getUint8(at++) !== 0;
      else if (marker === STRING) fields[key] = text();
      else return undefined;
    }
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
