/**
 * A publisher or a viewer in a namespace of its own, for edge-failover-netns.test.ts: `publish URL` publishes the clip until
 * it is ended; `watch URL` plays and answers each line on stdin with what it saw, `begin` forgetting what was before. Both
 * say `{}` when they have begun.
 */
import { createInterface } from 'node:readline';
import { publishClip } from '@weir/test/harness/rtmp-viewer';
import { watch } from '../bench/failover/gap-viewer.ts';

const [part, url = ''] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin });
lines.once('close', () => process.exit(0));
if (part === 'publish') {
  await publishClip(url);
} else {
  const viewer = await watch(url);
  lines.on('line', (line) => {
    if (line === 'begin') viewer.begin();
    const { frames, isClosed } = viewer;
    process.stdout.write(`${JSON.stringify({ frames, isClosed, pauseMs: Math.round(viewer.longestPauseMs()) })}\n`);
  });
}
process.stdout.write('{}\n');
