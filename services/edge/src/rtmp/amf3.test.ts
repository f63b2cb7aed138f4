// AMF3 values inside AMF0, as the specification writes them.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AmfValue, decodeAmf, encodeAmf } from './amf0.ts';
import { ProtocolError } from './errors.ts';

/** One value behind the AMF0 marker that leads to AMF3. */
const decode = (hex: string): AmfValue => {
  const values = decodeAmf(Buffer.from(`11${hex.replaceAll(' ', '')}`, 'hex'));
  assert.equal(values.length, 1);
  return values[0];
};
const plain = (value: AmfValue): unknown => JSON.parse(JSON.stringify(value));
const faulty = (error: unknown) => error instanceof ProtocolError && error.fault === 'AMF';

describe('AMF3', () => {
  it('has simple values', () => {
    assert.deepEqual(
      ['00', '01', '02', '03'].map((hex) => decode(hex)),
      [undefined, null, false, true],
    );
    assert.equal(decode('05 3ff8000000000000'), 1.5);
    assert.equal(decode('06 07 616263'), 'abc');
    assert.equal(decode('08 01 4078000000000000'), 384);
    assert.equal(decode('0c 07 010203'), '\u0001\u0002\u0003');
  });

  it('has integers of one to four bytes, negative ones too', () => {
    assert.equal(decode('04 7f'), 127);
    assert.equal(decode('04 8100'), 128);
    assert.equal(decode('04 ffff7f'), 2 ** 21 - 1);
    assert.equal(decode('04 bfffffff'), 2 ** 28 - 1);
    assert.equal(decode('04 ffffffff'), -1);
  });

  it('has lists, lists with names, and objects whose members are sealed, dynamic or both', () => {
    assert.deepEqual(decode('09 05 01 0401 0402'), [1, 2]);
    assert.deepEqual(plain(decode('09 03 03 61 0405 01 0409')), { a: 5, 0: 9 });
    assert.deepEqual(plain(decode('0a 0b 01 03 61 0401 01')), { a: 1 });
    assert.deepEqual(plain(decode('0a 13 01 03 61 0401')), { a: 1 });
    assert.deepEqual(plain(decode('0a 1b 01 03 61 0401 03 62 0402 01')), { a: 1, b: 2 });
  });

  it('refers to strings, objects and classes said before', () => {
    assert.deepEqual(decode('09 05 01 06 03 61 06 00'), ['a', 'a']);
    assert.deepEqual(plain(decode('09 05 01 0a 13 01 03 61 0401 0a 01 0402')), [{ a: 1 }, { a: 2 }]);
    assert.deepEqual(plain(decode('09 05 01 0a 13 01 03 61 0401 0a 02')), [{ a: 1 }, { a: 1 }]);
  });

  it('stands between AMF0 values of one command', () => {
    const command = Buffer.concat([encodeAmf('call', 1), Buffer.from('110401', 'hex'), encodeAmf('after')]);
    assert.deepEqual(decodeAmf(command), ['call', 1, 1, 'after']);
  });

  it('keeps a peer’s keys away from prototypes', () => {
    const object = decode('0a 0b 01 13 5f5f70726f746f5f5f 0401 01') as object;
    assert.equal(Object.getPrototypeOf(object), null);
  });

  it('is refused when it is cut off, unknown, too deep, endless, or refers to nothing', () => {
    for (const hex of ['', '05 3f', '06 81', '0d', '06 02', '0a 02', '0a 07 01', '09 ffffffff 01', '0a fffffff3 01']) {
      assert.throws(() => decode(hex), faulty, hex);
    }
    assert.throws(() => decode('09 03 01'.repeat(20)), faulty);
  });
});
