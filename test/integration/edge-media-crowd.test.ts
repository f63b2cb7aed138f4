// Many at once: a share of the viewers stops reading, and hundreds come and go. `npm run bench -- rtmp-stall` and
// `rtmp-soak` do the same with thousands.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LoadViewer } from '@weir/cli/load/load-viewer';
import { Protocol } from '@weir/edge/rtmp/protocol';
import { startTestNode } from '@weir/test/harness/edge';
import { publishFrames } from '@weir/test/harness/frame-publisher';
import { publishClip } from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';
import { visit } from '../bench/rtmp/churn.ts';
import { startMeasuredNode } from '../bench/rtmp/measured-node.ts';

const VIEWERS = 20;
const STALLED = 4;
const QUEUE_BYTES = 500_000;
const FRAME_BYTES = 50_000;
const TIMEOUT_MS = 30_000;

it('puts out the viewers that stop reading, each with a reason, and the others lose nothing', async () => {
  const node = await startTestNode({ stream: { viewerQueueBytes: QUEUE_BYTES, viewerQueueMs: 1_000 } });
  // More than a megabyte a second, so that the kernel's own buffers are full soon.
  const publisher = await publishFrames(node.rtmpUrl('live/crowd'), { frameBytes: FRAME_BYTES });
  publisher.send(1, true);
  publisher.goOn(25);
  const [host = '', port = ''] = node.addresses.rtmp.split(':');
  const common = { protocol: new Protocol(), readBuffer: Buffer.allocUnsafe(262_144), timeoutMs: TIMEOUT_MS };
  const target = { host, port: Number(port), app: 'live', name: 'crowd' };
  const viewers = await Promise.all(
    Array.from({ length: VIEWERS }, () => LoadViewer.join({ ...common, target, sampled: true })),
  );
  await waitFor('all to see it', () => viewers.every(({ firstFrameMs }) => firstFrameMs !== undefined));
  const [stalled, others] = [viewers.slice(0, STALLED), viewers.slice(STALLED)];
  for (const viewer of others) viewer.check?.begin(performance.now());
  for (const viewer of stalled) viewer.stopReading();
  const began = publisher.sent;
  const slow = () =>
    node.stats().closed.reduce((sum, { reason, count }) => sum + (reason === 'slow-viewer' ? count : 0), 0);
  let most = 0;
  await waitFor('them to be put out', () => {
    most = Math.max(most, node.stats().sendQueueBytes);
    return slow() === STALLED;
  });
  // A queue is looked at before each window is added to it.
  assert.ok(most < STALLED * 4 * QUEUE_BYTES, `${most} bytes were queued for ${STALLED}`);
  assert.ok(node.stats().framesDropped > 0);
  const figures = others.map(({ check }) => check?.figures(performance.now()));
  for (const [index, viewer] of others.entries()) {
    assert.equal(viewer.lost, false);
    assert.equal(figures[index]?.backwards, 0);
    // A frame and its sound each; the last ones may still be on their way.
    assert.ok((figures[index]?.messages ?? 0) > 2 * (publisher.sent - began) - 100, 'every message came');
  }
  for (const viewer of viewers) viewer.close();
  await publisher.close();
  await node.close();
});

describe('a node that hundreds come to and leave', () => {
  const WARM_UP = 160;
  const CYCLES = 320;
  /** A session that is not forgotten is more than that. */
  const MOST_BYTES_PER_CYCLE = 3_000;

  it('has the heap and the descriptors it had before', async () => {
    const node = await startMeasuredNode({}, { measures: false });
    const publisher = await publishClip(`rtmp://${node.addresses.rtmp}/live/stays`);
    const target = { ...node.addresses, app: 'live', name: 'stays', protocol: new Protocol() };
    const settled = () =>
      waitFor('all visitors to be gone', async () => {
        const report = await node.report();
        return report.stats.connections.every(({ open }) => open <= 1) && report;
      });
    assert.equal(await visit(target, 0, WARM_UP, 20), 0);
    const before = await settled();
    const descriptors = node.openFiles();
    assert.equal(await visit(target, WARM_UP, WARM_UP + CYCLES, 20), 0);
    const grown = (await settled()).heapBytes - before.heapBytes;
    assert.ok(grown < CYCLES * MOST_BYTES_PER_CYCLE, `the heap grew by ${grown} bytes in ${CYCLES} visits`);
    await waitFor('the descriptors to be closed', () => node.openFiles() <= descriptors);
    await publisher.close();
    await node.close();
  });
});
