/**
 * Real edges under real media inside the virtual machine: NATS, two origins and three edges behind two directors, ffmpeg
 * pushing and playing through the virtual address, every way past the directors tried. Before it guest.sh, after it
 * part-media.ts. What dies under load is suite.ts's, with stand-ins.
 */
import { play, push } from './ffmpeg.ts';
import { agentTells, clientPortsOf, hiding, onLink, watched } from './media-checks.ts';
import { type MediaSite, STREAM_URL, startSite } from './media-site.ts';
import { Results } from './results.ts';
import { seconds, until } from './site.ts';

async function main(results: Results): Promise<void> {
  const site = await startSite(results);
  await flows(site);
  await hiding(site);
  onLink(site);
  await watched(site);
  await agentTells(site);
}

/** ffmpeg publishes through the virtual address, and another plays through it. */
async function flows({ results, edges, client }: MediaSite): Promise<void> {
  const pusher = push(client, STREAM_URL, '/mnt/clip.flv');
  const holder = () => edges.find((edge) => clientPortsOf(edge).size > 0)?.name;
  await until('the publisher on an edge', () => holder() !== undefined, 60_000, 250);
  const publisherOn = holder() ?? '';
  const started = performance.now();
  const player = play(client, STREAM_URL);
  await until('the player’s first frames', () => player.packets > 5, 60_000, 250);
  const tookMs = performance.now() - started;
  const playerOn = edges
    .filter((edge) => edge.name !== publisherOn && clientPortsOf(edge).size > 0)
    .map(({ name }) => name);
  results.add({
    check: 'ffmpeg pushes and plays through the virtual address',
    passed: pusher.isRunning && player.isRunning,
    measured: `published on ${publisherOn}, played from ${playerOn.join() || 'the same'}, first frames after ${seconds(tookMs)} with ffmpeg’s start`,
  });
}

const results = new Results('/mnt/results.json');
try {
  await main(results);
} catch (error) {
  results.add({ check: 'the suite runs to its end', passed: false, measured: String(error) });
}
process.exit(results.passed ? 0 : 1);
