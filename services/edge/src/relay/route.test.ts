// Whom a node asks for a stream, with and without a directory; never itself, the failed ones last.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { NodeRecord, NodeRole, StreamRecord } from '@weir/contracts/nats/records';
import type { Directory } from '../cluster/directory.ts';
import { parseAddress, type RouteOptions, routeTo, Suspects } from './route.ts';

const record = (node: string, role: NodeRole, draining = false): NodeRecord => ({
  node,
  role,
  cluster: 'weir',
  site: 'default',
  machineId: 'm',
  version: '0',
  pid: 1,
  startedAtMs: 0,
  addresses: { rtmp: '', relay: `10.0.0.1:${1_000 + Number(node.slice(1))}`, http: '' },
  capacity: 10_000,
  load: { publishers: 0, viewers: 0, relays: 0, streams: 0 },
  draining,
});
const published = (node: string): StreamRecord => ({ stream: 'live/s', node, relay: '10.0.0.2:2000', epoch: 1 });

function options(
  overrides: Partial<RouteOptions> & { all?: NodeRecord[]; publisher?: StreamRecord; isFresh?: boolean },
): RouteOptions {
  const { all = [], publisher, isFresh = true } = overrides;
  const directory: Directory = {
    isFresh,
    nodes: () => all,
    node: (name) => all.find(({ node }) => node === name),
    lastSeenMs: () => 0,
    standbysOf: () => [],
    publisherOf: () => publisher,
  };
  const suspects = new Suspects(() => 0);
  return { node: 'e9', role: 'edge', directory, configuredOrigins: [], suspects, ...overrides };
}
const nodes = (route: RouteOptions) => routeTo('live/s', route).map(({ node }) => node);

describe('the route of an edge', () => {
  const all = [record('o1', 'origin'), record('o2', 'origin'), record('e3', 'edge'), record('o4', 'origin', true)];

  it('leads to the origins first, then to the publishing edge; not to other edges, nor to an origin that drains', () => {
    const route = nodes(options({ all, publisher: published('e3') }));
    assert.deepEqual(route.slice(0, 2).toSorted(), ['o1', 'o2']);
    assert.deepEqual(route.slice(2), ['e3']);
  });

  it('leads straight to the publishing edge when no origin lives', () => {
    assert.deepEqual(nodes(options({ all: [record('e3', 'edge')], publisher: published('e3') })), ['e3']);
  });

  it('never leads to the node itself', () => {
    assert.deepEqual(nodes(options({ publisher: published('e9') })), []);
  });

  it('uses the configured origins while NATS is away, and the last known ones', () => {
    const configuredOrigins = [{ node: 'o7', host: 'h', port: 1 }];
    assert.deepEqual(nodes(options({ all, configuredOrigins })).toSorted(), ['o1', 'o2']);
    assert.deepEqual(nodes(options({ all, configuredOrigins, isFresh: false })).toSorted(), ['o1', 'o2', 'o7']);
    assert.deepEqual(nodes(options({ configuredOrigins })), ['o7']);
  });

  it('puts a node that just failed last, until it is heard of again', () => {
    let heardMs = 0;
    const suspects = new Suspects(() => heardMs);
    const [first = '', second = ''] = nodes(options({ all, suspects }));
    suspects.add(first);
    assert.deepEqual(nodes(options({ all, suspects })), [second, first]);
    heardMs = Date.now() + 1;
    assert.deepEqual(nodes(options({ all, suspects })), [first, second]);
  });
});

describe('the route of an origin', () => {
  const all = [record('o1', 'origin'), record('e3', 'edge'), record('e4', 'edge')];

  it('leads to the publishing edge only, so that no pull goes in a circle', () => {
    assert.deepEqual(nodes(options({ role: 'origin', node: 'o9', all, publisher: published('e3') })), ['e3']);
    assert.deepEqual(nodes(options({ role: 'origin', node: 'o9', all })), []);
  });

  it('leads to whoever may have the stream while the directory is old and does not say', () => {
    const route = nodes(options({ role: 'origin', node: 'o1', all, isFresh: false }));
    assert.deepEqual(route.toSorted(), ['e3', 'e4']);
  });
});

describe('an address', () => {
  it('is host and port', () => {
    assert.deepEqual(parseAddress('10.0.0.1:1936'), { host: '10.0.0.1', port: 1936 });
    assert.deepEqual(parseAddress('[::1]:1936'), { host: '::1', port: 1936 });
    for (const broken of ['', 'host', 'host:', ':1', '::1:5']) assert.equal(parseAddress(broken), undefined, broken);
  });
});
