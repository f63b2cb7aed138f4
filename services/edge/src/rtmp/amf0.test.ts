// AMF0 both ways, and every way of being broken.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AmfValue, decodeAmf, encodeAmf } from './amf0.ts';
import { ProtocolError } from './errors.ts';

const plain = (value: AmfValue) => JSON.parse(JSON.stringify(value));

describe('AMF0', () => {
  it('comes back as it was written, names in any script included', () => {
    const object = { app: 'live/übung 直播', tcUrl: 'x'.repeat(70_000), nested: { list: [1, true, null, 'a'] } };
    const values = decodeAmf(encodeAmf('connect', 1, object, null, undefined, -2_000.5));
    assert.deepEqual(plain(values), plain(['connect', 1, object, null, undefined, -2_000.5]));
  });

  it('values after an ECMA array and a date are read from where they are', () => {
    const array = Buffer.from('080000000100016101010000090b0000000000000000000002000178', 'hex');
    const [first, date, text] = decodeAmf(Buffer.concat([array.subarray(0, 13), array.subarray(13)]));
    assert.deepEqual(plain(first as AmfValue), { a: true });
    assert.equal(date, 0);
    assert.equal(text, 'x');
  });

  it('keys of a peer cannot reach a prototype', () => {
    const [object] = decodeAmf(encodeAmf(JSON.parse('{"__proto__":{"admin":true}}') as AmfValue)) as [object];
    assert.equal(Object.getPrototypeOf(object), null);
    assert.equal(({} as { admin?: boolean }).admin, undefined);
  });

  it('cut off anywhere is refused, never guessed', () => {
    const whole = encodeAmf({ app: 'live', list: [1, 'two', { three: 3 }] });
    for (let length = 1; length < whole.length; length += 1) {
      assert.throws(() => decodeAmf(whole.subarray(0, length)), ProtocolError, `${length} bytes`);
    }
  });

  it('nested without end, of unknown kind, or promising more than there is, is refused', () => {
    const deep = Buffer.concat(Array.from({ length: 1_000 }, () => Buffer.from([3, 0, 1, 97])));
    for (const broken of [deep, Buffer.from([0x42]), Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 5])]) {
      assert.throws(() => decodeAmf(broken), ProtocolError);
    }
  });

  it('random bytes are decoded or refused, nothing else', () => {
    let seed = 42;
    const random = () => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return seed >>> 16;
    };
    for (let round = 0; round < 5_000; round += 1) {
      const bytes = Buffer.from(Array.from({ length: random() % 40 }, () => random() % (random() % 2 ? 18 : 256)));
      try {
        decodeAmf(bytes);
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
      }
    }
  });
});
