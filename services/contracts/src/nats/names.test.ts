/** Names of nodes: one subject token, one KV key, and never a name that belongs to others. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { isNodeName } from './names.ts';

it('a node’s name is letters, digits, - and _, and none of those of senders by OTLP', () => {
  for (const name of ['edge-1', 'E_2', '9', 'otlp', 'x'.repeat(63)]) assert.ok(isNodeName(name), name);
  for (const name of ['', '-a', '_a', 'a b', 'a.b', 'a*', 'a>', 'ä', 'x'.repeat(64), 'otlp-', 'otlp-shop-cart-1'])
    assert.equal(isNodeName(name), false, name);
});
