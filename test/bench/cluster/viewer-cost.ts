/**
 * What one viewer costs NATS: the telemetry of its coming and going. One real node that measures, viewers that come, watch
 * and leave, and the telemetry stream's bytes with and without them. Run as a child of ../cluster.ts: its one argument is
 * the NATS URL, its one line of output `{ viewers, bytes }`, both of the viewers alone.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { loadConfig } from '@weir/contracts/config/load';
import { TELEMETRY_STREAM } from '@weir/contracts/nats/names';
import { ensureTelemetryStreams } from '@weir/contracts/nats/streams';
import { startTestNode } from '@weir/test/harness/edge';
import { publishClip } from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';
import { watch } from '../failover/gap-viewer.ts';

const VIEWERS = 100;
/** Samples of the node itself fall into both stretches alike. */
const INTERVAL_MS = 1_000;
const STRETCH_MS = 15_000;

const url = process.argv[2] ?? '';
const node = await startTestNode(
  { node: { name: 'viewer-cost' }, nats: { servers: [url] }, telemetry: { intervalMs: INTERVAL_MS } },
  { measures: true },
);
const connection = await connect({ servers: url });
const jsm = await jetstreamManager(connection);
// Copies of ingest make it; there is none here.
await ensureTelemetryStreams(jsm, loadConfig());
const stored = async () => (await jsm.streams.info(TELEMETRY_STREAM)).state.bytes;
const publisher = await publishClip(node.rtmpUrl('live/cost'));
await waitFor('telemetry', async () => (await stored()) > 0);
/** Bytes stored over one stretch in which `work` is done. */
const over = async (work: () => Promise<void>) => {
  const [before, startMs] = [await stored(), performance.now()];
  await work();
  await sleep(Math.max(0, STRETCH_MS - (performance.now() - startMs)));
  return (await stored()) - before;
};
const without = await over(async () => {});
const withViewers = await over(async () => {
  for (let i = 0; i < VIEWERS; i += 1) {
    const viewer = await watch(node.rtmpUrl('live/cost'));
    await waitFor('a frame', () => viewer.frames > 0, { everyMs: 10 });
    viewer.close();
  }
});
process.stdout.write(`${JSON.stringify({ viewers: VIEWERS, bytes: withViewers - without })}\n`);
await publisher.close();
await connection.close();
await node.close();
process.exit(0);
