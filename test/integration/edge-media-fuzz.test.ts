// Broken clients from a seed, for a short time; `npm run bench -- rtmp-fuzz --for 600 --seed 7` goes on for longer.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { type FuzzTarget, fuzzOnce } from '@weir/test/harness/fuzz';
import { type ClipPublisher, faultsOf, playStream, publishClip } from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';
import { seededRandom } from '../chaos/random.ts';

const CLIENTS = 240;
const AT_ONCE = 20;
const SEED = 20_261_122;

describe('a node among broken clients', () => {
  let node: TestNode;
  let witness: ClipPublisher;

  before(async () => {
    node = await startTestNode({ stream: { notFoundWaitMs: 200 }, rtmp: { handshakeTimeoutMs: 1_000 } });
    witness = await publishClip(node.rtmpUrl('live/witness'));
  });
  after(async () => {
    await witness.close();
    await node.close();
  });

  it('never fails, counts each of them, keeps nothing of them and loses nothing of a stream beside', async () => {
    const viewer = await playStream(node.rtmpUrl('live/witness'));
    const { rtmp, http } = node.addresses;
    const target: FuzzTarget = { rtmp, http, random: seededRandom(SEED), counts: new Map() };
    for (let done = 0; done < CLIENTS; done += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, () => fuzzOnce(target)));
    }
    assert.equal(target.counts.size, 8, `all kinds were tried: ${[...target.counts.keys()]}`);
    await waitFor('all to be gone', () => node.stats().connections.every(({ open }) => open <= 1));
    await waitFor('their streams to be gone', () => node.stats().streams.every(({ app }) => app !== 'fuzz'));
    const { refused, closed } = node.stats();
    const ours = [...refused, ...closed].filter(({ reason }) => reason === 'error');
    assert.deepEqual(ours, [], 'no error of ours');
    const reasons = new Set([...refused, ...closed].map(({ reason }) => reason));
    assert.ok(reasons.has('bad-handshake') && reasons.has('protocol-error'), [...reasons].join());
    const frames = viewer.frames(9).length;
    await waitFor('the witness to go on', () => viewer.frames(9).length > frames + 10);
    assert.deepEqual(faultsOf(viewer), []);
    viewer.close();
  });
});
