/** Allow and deny lists, and what counts as one client. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addressCheck, clientKey, plainAddress } from './address.ts';
import { connectRateCheck } from './connect-rate.ts';

const isAllowed = (lists: { allow?: string[]; deny?: string[] }, address: string) =>
  addressCheck({ allow: [], deny: [], ...lists })(address) === undefined;

describe('address lists', () => {
  it('deny wins over allow, and an empty allow list is everybody', () => {
    const lists = { allow: ['10.0.0.0/8', '2001:db8::/32'], deny: ['10.1.0.0/16', '2001:db8:1::1'] };
    assert.equal(isAllowed({}, '192.0.2.1'), true);
    assert.equal(isAllowed(lists, '10.2.3.4'), true);
    assert.equal(isAllowed(lists, '10.1.3.4'), false);
    assert.equal(isAllowed(lists, '192.0.2.1'), false);
    assert.equal(isAllowed(lists, '2001:db8:1::2'), true);
    assert.equal(isAllowed(lists, '2001:db8:1::1'), false);
  });

  it('refuse what is no network, by key and entry', () => {
    for (const entry of ['10.0.0.0/33', '::/129', 'example.org', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0.0/-1', '']) {
      assert.throws(() => addressCheck({ allow: [], deny: [entry] }), { code: 'EDGE_ACCESS_NETWORK' }, entry);
    }
  });
});

describe('a client', () => {
  it('is an IPv4 address, however the socket names it', () => {
    assert.equal(plainAddress('::ffff:192.0.2.1'), '192.0.2.1');
    assert.equal(clientKey('192.0.2.1'), '192.0.2.1');
  });

  it('is the /64 of an IPv6 address, however it is written', () => {
    for (const address of ['2001:db8:0:1::7', '2001:0db8:0000:0001:ffff::1', '2001:db8:0:1:1:2:3:4']) {
      assert.equal(clientKey(address), '2001:db8:0:1::/64', address);
    }
    assert.equal(clientKey('::1'), '0:0:0:0::/64');
    assert.equal(clientKey('fe80::1%eth0'), 'fe80:0:0:0::/64');
  });
});

describe('the connect rate', () => {
  it('lets a burst in, then the rate, for each client alone', () => {
    let nowMs = 0;
    const check = connectRateCheck(2, 5, () => nowMs);
    const allowed = (address: string, times: number) =>
      Array.from({ length: times }, () => check(address)).filter((refusal) => refusal === undefined).length;
    assert.equal(allowed('192.0.2.1', 20), 5);
    assert.equal(check('192.0.2.1')?.refused, 'connect-rate');
    assert.equal(allowed('192.0.2.2', 5), 5);
    nowMs += 1_000;
    assert.equal(allowed('192.0.2.1', 20), 2);
    nowMs += 3_600_000;
    assert.equal(allowed('192.0.2.1', 20), 5);
  });

  it('counts a whole IPv6 /64 as one, so that nobody gets around it with addresses', () => {
    const check = connectRateCheck(1, 10, () => 0);
    const refused = Array.from({ length: 30 }, (_, i) => check(`2001:db8::${i.toString(16)}`)).filter(Boolean);
    assert.equal(refused.length, 20);
  });
});
