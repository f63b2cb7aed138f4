/** What is stored of addresses: each policy, and that a hash neither tells the address nor outlives its period. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addressPolicy, networkOf } from './addresses.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const policy = (addresses: 'keep' | 'truncate' | 'hash', addressKey = '') =>
  addressPolicy({ addresses, addressKey, addressKeyHours: 24 });

describe('the network of an address', () => {
  it('is its /24 or /48, however it is written', () => {
    assert.equal(networkOf('203.0.113.77'), '203.0.113.0/24');
    assert.equal(networkOf('::ffff:203.0.113.77'), '203.0.113.0/24');
    assert.equal(networkOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1::/48');
    assert.equal(networkOf('2001:0db8::6'), '2001:db8:0::/48');
    assert.equal(networkOf('::1'), '0:0:0::/48');
    assert.equal(networkOf('fe80::1%eth0'), 'fe80:0:0::/48');
    assert.equal(networkOf('nonsense'), '');
  });
});

describe('a stored address', () => {
  it('is the whole one, its network, or a hash; of browsers the network at most', () => {
    const stored = (kind: 'keep' | 'truncate' | 'hash') => {
      const { client, network, keepsPort } = policy(kind, 'key');
      return [client('::ffff:203.0.113.77', 0), network('203.0.113.77', 0), keepsPort];
    };
    assert.deepEqual(stored('keep'), ['203.0.113.77', '203.0.113.0/24', true]);
    assert.deepEqual(stored('truncate'), ['203.0.113.0/24', '203.0.113.0/24', false]);
    const [client, network, keepsPort] = stored('hash');
    assert.match(String(client), /^hash-[0-9a-f]{16}$/);
    assert.match(String(network), /^hash-[0-9a-f]{16}$/);
    assert.notEqual(client, network);
    assert.equal(keepsPort, false);
  });

  it('is one hash within a period and on all nodes with the key, and another one afterwards', () => {
    const { client } = policy('hash', 'key');
    assert.equal(client('203.0.113.77', DAY_MS), client('::ffff:203.0.113.77', 2 * DAY_MS - 1));
    assert.equal(client('203.0.113.77', DAY_MS), policy('hash', 'key').client('203.0.113.77', DAY_MS));
    assert.notEqual(client('203.0.113.77', DAY_MS), client('203.0.113.77', 2 * DAY_MS));
    assert.notEqual(client('203.0.113.77', DAY_MS), client('203.0.113.78', DAY_MS));
    assert.equal(client('', DAY_MS), '');
  });

  it('cannot be linked to anything without a configured key', () => {
    assert.notEqual(policy('hash').client('203.0.113.77', 0), policy('hash').client('203.0.113.77', 0));
  });
});
