// The sizing arithmetic against figures reckoned by hand, row M11, the measured share of directors, and the guide’s examples.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { main, size } from './sizing.ts';

describe('sizing', () => {
  it('fills a card of 1 Gbit/s with 900 viewers of 1 Mbit/s (row M11)', () => {
    const { edgesBy } = size({ viewers: 900, cardBitsPerSecond: 1e9 });
    assert.equal(edgesBy.bandwidth, 1);
    assert.equal(size({ viewers: 901, cardBitsPerSecond: 1e9 }).edgesBy.bandwidth, 2);
  });

  it('names the limit that is met first', () => {
    assert.equal(size({ viewers: 1e6 }).firstLimit, 'connections');
    assert.equal(size({ viewers: 1e6, connectionsPerEdge: 20_000 }).firstLimit, 'bandwidth');
    assert.equal(
      size({ viewers: 1e6, connectionsPerEdge: 20_000, cardBitsPerSecond: 1e11, coresPerEdge: 1 }).firstLimit,
      'cpu',
    );
  });

  it('reckons a million viewers as by hand', () => {
    const sizing = size({ viewers: 1e6, streams: 1_000, connectionsPerEdge: 20_000 });
    // 10^6 × 1 Mbit/s ÷ 9 Gbit/s = 111.1; a fifth more as spares
    assert.equal(sizing.edgesBy.bandwidth, 112);
    assert.equal(sizing.edges, 112 + 23);
    // 10^6 × 60 µs = 60 cores ÷ (8 × 0.7)
    assert.equal(sizing.edgesBy.cpu, 11);
    // 135 edges × 1,000 streams × 1 Mbit/s ÷ 9 Gbit/s = 15, and one spare
    assert.equal(sizing.origins, 16);
    assert.equal(sizing.relayDepth, 1);
    // 43.2 acknowledgements a second and viewer, a million a second and director
    assert.equal(sizing.groups, 44);
    assert.equal(sizing.egressBitsPerSecond, 1e12);
    // (135 + 16) × 200 ÷ 5
    assert.equal(sizing.samplesPerSecond, 6_040);
    // 6,040 × 0.8 bytes × 7 days
    assert.equal(Math.round(sizing.rawBytes / 1e6), 2_922);
    // 151 × (2 ÷ 5 + 1 ÷ 2); 6,040 × 80 bytes × 3,600
    assert.equal(Math.round(sizing.natsMessagesPerSecond), 136);
    assert.equal(Math.round(sizing.natsBytesPerHour / 1e6), 1_740);
  });

  it('comes to the cores that the bench of ingest measured at 40,000 samples/s', () => {
    const { samplesPerSecond, natsCores, storeCores } = size({ seriesPerNode: 200 * 1_000, viewers: 1, streams: 1 });
    assert.ok(Math.abs((storeCores / samplesPerSecond) * 40_000 - 1.6) < 0.1, String(storeCores));
    assert.ok(Math.abs((natsCores / samplesPerSecond) * 40_000 - 0.11) < 0.03, String(natsCores));
  });

  it('gives the directors about the share of the media that test/ha measured (1.9 %)', () => {
    const { directorBitsPerSecond, egressBitsPerSecond } = size({ viewers: 1_000 });
    const share = directorBitsPerSecond / egressBitsPerSecond;
    assert.ok(share > 0.015 && share < 0.03, String(share));
  });

  it('never plans with one edge, one origin or one director', () => {
    const { edges, origins, directors } = size({ viewers: 1, streams: 1 });
    assert.deepEqual([edges, origins, directors], [2, 2, 2]);
  });

  it('needs a tree when an origin cannot feed every edge', () => {
    assert.equal(size({ viewers: 1e6, cardBitsPerSecond: 1e8, connectionsPerEdge: 1e6 }).relayDepth, 3);
  });

  it('refuses what is no figure', () => {
    assert.throws(() => size({ viewers: 0 }), { code: 'SIZING_INPUT' });
    assert.throws(() => main(['--card', 'fast']), { code: 'SIZING_INPUT' });
    assert.throws(() => main(['--viewers', '1e999']), { code: 'SIZING_INPUT' });
  });

  it('names the nearest flag for one that is none, and each with its default', () => {
    assert.throws(() => main(['--viewrs', '5']), { code: 'SIZING_USAGE', message: /did you mean "viewers"\?/ });
    assert.throws(() => main(['--viewers']), { code: 'SIZING_USAGE' });
    assert.match(main(['--help']), /--cores-per-edge +8\n/);
  });

  it('prints the examples of production.md as they stand there', () => {
    const text = readFileSync(new URL('../production.md', import.meta.url), 'utf8');
    const examples = [...text.matchAll(/```\n\$ npx node infra\/production\/sizing\.ts (.+)\n([\s\S]+?)\n```/g)];
    assert.ok(examples.length >= 2);
    for (const [, args = '', printed] of examples) assert.equal(main(args.split(' ')), printed);
  });
});
