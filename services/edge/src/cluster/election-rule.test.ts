// The election rule alone: how many, who, and when they step down again.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decide, electedTarget, type Scene, type Voter, wantedOrigins } from './election-rule.ts';

const voters = (role: 'edge' | 'origin', count: number, from = 0): Voter[] =>
  Array.from({ length: count }, (_, i) => ({ node: `${role}-${from + i}`, role, capacity: 8_000, draining: false }));

/** Lets every edge decide and act in turn until nobody does anything; returns who holds which place. */
function settle(scene: Omit<Scene, 'places'>, before: ReadonlyMap<number, string> = new Map()): Map<number, string> {
  const places = new Map(before);
  for (let round = 0; round < 50; round += 1) {
    const seen = { ...scene, places: new Map(places) };
    let isQuiet = true;
    for (const { node } of scene.nodes) {
      const decision = decide(seen, node);
      if (decision.kind === 'stay') continue;
      isQuiet = false;
      if (decision.kind === 'take') {
        assert.equal(places.has(decision.place), false, 'two take one place');
        places.set(decision.place, node);
      } else for (const [place, holder] of places) if (holder === node) places.delete(place);
    }
    if (isQuiet) return places;
  }
  throw new Error('the election never came to rest');
}

describe('the wanted number of origins', () => {
  it('is a tenth of the live nodes, two at least', () => {
    assert.deepEqual([1, 10, 24, 25, 181, 201].map(wantedOrigins), [2, 2, 2, 3, 18, 20]);
  });
});

describe('an election', () => {
  it('makes 18 origins out of 181 edges when all 20 origins of 201 nodes are gone', () => {
    const places = settle({ nodes: voters('edge', 181), wanted: 0 });
    assert.equal(places.size, 18);
    assert.equal(new Set(places.values()).size, 18);
  });

  it('is not held while half of the wanted origins live', () => {
    const half = { nodes: [...voters('edge', 181), ...voters('origin', 10)], wanted: 20 };
    assert.equal(settle(half).size, 0);
    const fewer = { nodes: [...voters('edge', 181), ...voters('origin', 9)], wanted: 20 };
    assert.equal(settle(fewer).size, 11);
  });

  it('is not held among two edges, which reach each other directly', () => {
    assert.equal(settle({ nodes: voters('edge', 2), wanted: 0 }).size, 0);
    assert.equal(settle({ nodes: voters('edge', 3), wanted: 0 }).size, 2);
  });

  it('replaces an elected edge that dies, and moves no other', () => {
    const nodes = voters('edge', 50);
    const places = settle({ nodes, wanted: 0 });
    const [place, dead] = [...places][2] as [number, string];
    places.delete(place);
    const after = settle({ nodes: nodes.filter(({ node }) => node !== dead), wanted: 5 }, places);
    assert.equal(after.size, 5);
    for (const [kept, holder] of places) assert.equal(after.get(kept), holder);
  });

  it('lets elected edges step down one by one as configured origins return, and promotes none meanwhile', () => {
    const edges = voters('edge', 50);
    let places = settle({ nodes: edges, wanted: 10 });
    assert.equal(places.size, 10);
    for (let origins = 1; origins <= 12; origins += 1) {
      const before = new Set(places.values());
      places = settle({ nodes: [...edges, ...voters('origin', origins)], wanted: 10 }, places);
      assert.equal(places.size, Math.max(0, 10 - origins), `${origins} origins`);
      assert.ok([...places.values()].every((node) => before.has(node)));
    }
  });

  it('does not promote edges that drain, and relieves those that begin to', () => {
    const nodes = voters('edge', 6);
    const places = settle({ nodes, wanted: 2 });
    const draining = nodes.map((voter) => ({ ...voter, draining: [...places.values()].includes(voter.node) }));
    const after = settle({ nodes: draining, wanted: 2 }, places);
    assert.equal(after.size, 2);
    for (const holder of after.values()) assert.equal(draining.find(({ node }) => node === holder)?.draining, false);
  });

  it('prefers strong edges', () => {
    const nodes = [...voters('edge', 20), ...voters('edge', 20, 20).map((voter) => ({ ...voter, capacity: 80_000 }))];
    const elected = [...settle({ nodes, wanted: 10 }).values()];
    const strong = elected.filter((node) => Number(node.slice('edge-'.length)) >= 20).length;
    assert.ok(strong >= 7, `${strong} of 10 are strong`);
  });

  it('counts the same on every node', () => {
    const scene = { nodes: voters('edge', 8), places: new Map<number, string>(), wanted: 0 };
    assert.equal(electedTarget(scene), 2);
    const takers = scene.nodes.filter(({ node }) => decide(scene, node).kind === 'take');
    assert.equal(takers.length, 2);
  });
});
