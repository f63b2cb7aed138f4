// The load-aware weight: the scarcest resource counts, jumps are smoothed, small changes are not shown.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LoadWeight, type Usage } from './load-weight.ts';

const idle: Usage = { connections: 0, cpu: 0, bandwidth: 0 };
const after = (...samples: Usage[]) => {
  const weight = new LoadWeight();
  for (const sample of samples) weight.sample(sample);
  return weight.value;
};
const times = (count: number, usage: Usage) => Array.from({ length: count }, () => usage);

describe('the weight of a node', () => {
  it('is 100 while it is idle', () => {
    assert.equal(after(idle), 100);
  });

  it('is what is left of the scarcest resource', () => {
    assert.equal(after({ connections: 0.5, cpu: 0.1, bandwidth: 0.2 }), 50);
    assert.equal(after({ connections: 0.1, cpu: 0.7, bandwidth: 0.2 }), 30);
    assert.equal(after({ connections: 0.1, cpu: 0.1, bandwidth: 0.9 }), 10);
  });

  it('is 0 only when nothing is left, and at once when the connections are used up', () => {
    assert.equal(after(idle, { ...idle, connections: 1 }), 0);
    assert.equal(after(idle, { ...idle, connections: 0.9999 }), 1);
    assert.equal(after({ ...idle, connections: 1 }, { ...idle, connections: 0.999 }), 1);
  });

  it('does not follow a short peak of CPU, and follows a long one', () => {
    assert.ok(after(idle, { ...idle, cpu: 1 }) >= 80);
    assert.ok(after(idle, ...times(20, { ...idle, cpu: 0.8 })) <= 25);
  });

  it('shows no change of fewer than five points', () => {
    assert.equal(after({ ...idle, connections: 0.5 }, { ...idle, connections: 0.54 }), 50);
    assert.equal(after({ ...idle, connections: 0.5 }, { ...idle, connections: 0.55 }), 45);
    const flicker = times(20, idle).flatMap(() => [0.5, 0.52, 0.49].map((connections) => ({ ...idle, connections })));
    assert.equal(after(...flicker), 50);
  });
});
