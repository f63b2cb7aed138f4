/** What follows from a node's configuration. */
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { describe, it } from 'node:test';
import { loadConfig } from '@weir/contracts/config/load';
import type { NodeRecord } from '@weir/contracts/nats/records';
import { edgesBeside, workersOf } from './node-settings.ts';

describe('the processes of a node', () => {
  const of = (role: 'edge' | 'origin', workers?: number) =>
    workersOf(loadConfig({ values: { node: { role, ...(workers === undefined ? {} : { workers }) } } }));

  it('are one per core for an edge and one for an origin, unless told otherwise', () => {
    assert.deepEqual([of('edge'), of('origin')], [availableParallelism(), 1]);
    assert.deepEqual([of('edge', 1), of('edge', 3), of('origin', 2)], [1, 3, 2]);
  });
});

describe('the edges beside a node', () => {
  it('are those that take clients, the least loaded first', () => {
    const node = (name: string, more: Partial<NodeRecord>) =>
      ({ node: name, role: 'edge', draining: false, ...more }) as NodeRecord;
    const nodes = [
      node('self', { weight: 100 }),
      node('busy', { weight: 10 }),
      node('idle', { weight: 90 }),
      node('full', { weight: 0 }),
      node('leaving', { weight: 80, draining: true }),
      node('origin', { weight: 100, role: 'origin' }),
    ];
    assert.deepEqual(
      edgesBeside('self', nodes).map((one) => one.node),
      ['idle', 'busy'],
    );
  });
});
