/** Names and passwords, and what a wrong one is told. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { authenticate } from './users.ts';

const users = { writer: { name: 'w', password: 'p:w' }, reader: { name: 'r', password: '' } };
const none = new URLSearchParams();
const basic = (pair: string): { authorization: string } => ({
  authorization: `Basic ${Buffer.from(pair).toString('base64')}`,
});

describe('authenticating', () => {
  it('takes headers, basic authentication and URL parameters', () => {
    assert.equal(authenticate(users, { 'x-clickhouse-user': 'w', 'x-clickhouse-key': 'p:w' }, none), 'writer');
    assert.equal(authenticate(users, basic('w:p:w'), none), 'writer');
    assert.equal(authenticate(users, basic('r'), none), 'reader');
    assert.equal(authenticate(users, {}, new URLSearchParams({ user: 'r' })), 'reader');
  });

  it('refuses all else, naming the user', () => {
    for (const headers of [
      {},
      basic('w:'),
      basic('r:x'),
      { 'x-clickhouse-user': 'w' },
      { authorization: 'Bearer x' },
    ]) {
      assert.throws(() => authenticate(users, headers, none), {
        clickhouseCode: 516,
        clickhouseName: 'AUTHENTICATION_FAILED',
      });
    }
    assert.throws(() => authenticate(users, basic('someone:x'), none), /^QueryException: someone: /);
  });
});
