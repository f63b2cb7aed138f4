// How streams spread over origins: evenly, by weight, and with as little movement as an origin's death allows.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rendezvousOrder } from './rendezvous.ts';

const origins = ['o1', 'o2', 'o3', 'o4'].map((node) => ({ node, capacity: 10_000 }));
const streams = Array.from({ length: 1_000 }, (_, i) => `live/s${i}`);
const first = (stream: string, nodes = origins) => rendezvousOrder(stream, nodes)[0]?.node ?? '';

describe('rendezvous hashing', () => {
  it('gives the same order whatever order the origins come in', () => {
    for (const stream of streams.slice(0, 50)) {
      const order = rendezvousOrder(stream, origins).map(({ node }) => node);
      assert.deepEqual(
        rendezvousOrder(stream, origins.toReversed()).map(({ node }) => node),
        order,
      );
      assert.deepEqual(order.toSorted(), ['o1', 'o2', 'o3', 'o4']);
    }
  });

  it('moves only the streams of an origin that dies, to all of the others', () => {
    const rest = origins.filter(({ node }) => node !== 'o2');
    const moved = streams.filter((stream) => first(stream) !== first(stream, rest));
    assert.ok(moved.every((stream) => first(stream) === 'o2'));
    assert.ok(moved.length <= streams.length * (0.25 + 0.03), `${moved.length} of 1,000 moved`);
    assert.equal(new Set(moved.map((stream) => first(stream, rest))).size, 3);
  });

  it('gives an origin of twice the capacity about twice the streams', () => {
    const weighted = origins.map((origin) => ({ ...origin, capacity: origin.node === 'o1' ? 20_000 : 10_000 }));
    const share = streams.filter((stream) => first(stream, weighted) === 'o1').length;
    assert.ok(share > 340 && share < 460, `${share} of 1,000, ideal 400`);
  });

  it('has nothing to say without origins', () => {
    assert.deepEqual(rendezvousOrder('live/a', []), []);
  });
});
