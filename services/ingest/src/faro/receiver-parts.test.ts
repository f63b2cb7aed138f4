/** The receiver's small parts: keys, subnets, and the content type that carries what a payload does not say. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatFaroType, parseFaroType } from './content-type.ts';
import { FaroKeys } from './keys.ts';

describe('Faro keys', () => {
  it('are found by what was sent, and nothing else is', () => {
    const keys = new FaroKeys(['page=abc=def', 'other=xyz']);
    assert.equal(keys.find('abc=def'), 'page');
    assert.equal(keys.find('xyz'), 'other');
    for (const wrong of [undefined, '', 'abc', 'page=abc=def']) assert.equal(keys.find(wrong), undefined, wrong);
  });

  it('are not needed when none is configured', () => {
    assert.equal(new FaroKeys([]).find(undefined), '');
  });

  it('are refused without a name or without a key', () => {
    for (const wrong of ['abc', '=abc', 'page=', 'a b=c']) {
      assert.throws(() => new FaroKeys([wrong]), { code: 'INGEST_FARO_KEY' }, wrong);
    }
  });
});

describe('the content type of a Faro message', () => {
  it('says what it was given, and nothing when it was given nothing', () => {
    const type = { gzip: true, subnet: '203.0.113.0/24', key: 'page' };
    assert.equal(formatFaroType(type), 'application/json; coding=gzip; subnet=203.0.113.0/24; key=page');
    assert.deepEqual(parseFaroType(formatFaroType(type)), type);
    assert.equal(formatFaroType({ gzip: false, subnet: '', key: '' }), 'application/json');
    assert.deepEqual(parseFaroType('application/json'), { gzip: false, subnet: '', key: '' });
  });
});
