/** What is done about a failed insert is decided by code, and an unknown code never costs data. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ClickHouseError } from '@clickhouse/client';
import { InsertError } from './insert-error.ts';

const answered = (code: string, type: string) =>
  new InsertError('logs', 'http://ch:8123', new ClickHouseError({ code, type, message: 'what it said' }));

describe('an insert that failed', () => {
  it('is the data’s fault, an operator’s matter, or worth another try, by ClickHouse’s code', () => {
    assert.equal(answered('27', 'CANNOT_PARSE_INPUT_ASSERTION_FAILED').errorClass, 'data');
    assert.equal(answered('469', 'VIOLATED_CONSTRAINT').errorClass, 'data');
    assert.equal(answered('60', 'UNKNOWN_TABLE').errorClass, 'operator');
    assert.equal(answered('516', 'AUTHENTICATION_FAILED').errorClass, 'operator');
    assert.equal(answered('252', 'TOO_MANY_PARTS').errorClass, 'transient');
    assert.equal(answered('241', 'MEMORY_LIMIT_EXCEEDED').errorClass, 'transient');
    assert.equal(answered('99999', 'NEVER_SEEN').errorClass, 'transient');
  });

  it('is transient when nobody answered', () => {
    const error = new InsertError('logs', 'http://ch:8123', Object.assign(new Error('x'), { code: 'ECONNREFUSED' }));
    assert.equal(error.errorClass, 'transient');
    assert.equal(error.clickhouseCode, '');
    assert.match(error.message, /ClickHouse at http:\/\/ch:8123 did not answer an insert into logs \(ECONNREFUSED\)/);
  });

  it('says what to do when only a person can mend it', () => {
    assert.match(answered('60', 'UNKNOWN_TABLE').message, /weir migrate/);
    assert.equal(answered('60', 'UNKNOWN_TABLE').retryable, true);
    assert.equal(answered('27', 'CANNOT_PARSE_INPUT_ASSERTION_FAILED').retryable, false);
  });
});
