/**
 * `npm run bench -- hls [--viewers 1000] [--seconds 10] [--json]`: what viewers of low-latency HLS cost an edge, beside a
 * bare node:http server that hands out as many bytes at the same pace, one after the other in one run. CPU is each server's
 * own; the ratio is what counts, absolute figures hold for this machine and hour only.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { MEDIA_FLAGS } from '@weir/edge/process-flags';
import { startNodeProcess } from '@weir/test/harness/edge-process';
import { publishFile } from '@weir/test/harness/ffmpeg';
import { waitFor } from '@weir/test/harness/wait';
import { startViewers, type Tally, type ViewerPaths } from './hls/viewers.ts';

const { values: options } = parseArgs({
  options: {
    viewers: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '10' },
    json: { type: 'boolean', default: false },
  },
});
const viewers = Number(options.viewers);
const CLIP = fileURLToPath(new URL('../../services/cli/assets/demo.flv', import.meta.url));
const FLOOR = fileURLToPath(new URL('./hls/floor.ts', import.meta.url));
const PART_MS = 500;
const TARGET_RATIO = 1.5;
const WARM_UP_MS = 4_000;
const TICKS_PER_SECOND = 100;

/** CPU time of a process, user and system, s. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Lets viewers watch for a while; CPU without viewers is taken off. */
async function measure(port: number, pid: number, paths: ViewerPaths) {
  const idleFrom = cpuSeconds(pid);
  await pause(2_000);
  const idlePerSecond = (cpuSeconds(pid) - idleFrom) / 2;
  const { tally, stop } = startViewers(port, viewers, paths);
  await pause(WARM_UP_MS);
  const before: Tally & { cpu: number; at: number } = { ...tally, cpu: cpuSeconds(pid), at: performance.now() };
  await pause(Number(options.seconds) * 1_000);
  const seconds = (performance.now() - before.at) / 1_000;
  const cpu = cpuSeconds(pid) - before.cpu - idlePerSecond * seconds;
  const parts = tally.parts - before.parts;
  stop();
  return {
    cpuSeconds: Number(cpu.toFixed(2)),
    partsPerViewerSecond: Number((parts / viewers / seconds).toFixed(2)),
    microsPerPart: Math.round((cpu * 1e6) / parts),
    partBytes: Math.round((tally.partBytes - before.partBytes) / parts),
    playlistBytes: Math.round((tally.playlistBytes - before.playlistBytes) / (tally.playlists - before.playlists)),
    failed: tally.failed,
  };
}

// With the flags of a process that serves media, as `weir edge` has them.
const node = await startNodeProcess({ limits: { connections: viewers + 100 } }, MEDIA_FLAGS);
const publisher = publishFile(CLIP, node.rtmpUrl('live/bench'));
const base = '/live/bench.m3u8';
const newest = (playlist: string) =>
  [...playlist.matchAll(/#EXT-X-PART:.*URI="([^"]+-(\d+)\.(\d+)\.m4s[^"]*)"/g)].at(-1);
try {
  await waitFor('the playlist', async () => (await fetch(node.httpUrl(base))).ok);
  const weir = await measure(Number(node.addresses.http.split(':')[1]), node.pid, {
    playlist(viewer, last) {
      const found = last === undefined ? undefined : newest(last);
      const next = found ? `&_HLS_msn=${found[2]}&_HLS_part=${Number(found[3]) + 1}` : '';
      return `${base}?session=bench-${viewer}${next}`;
    },
    part: (playlist) => `/live/${newest(playlist)?.[1]}`,
  });
  const floor = spawn(process.execPath, [FLOOR, ...[PART_MS, weir.playlistBytes, weir.partBytes].map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [port] = (await once(floor.stdout, 'data')) as [Buffer];
  const bare = await measure(Number(port), floor.pid ?? 0, { playlist: () => '/playlist', part: () => '/part' });
  floor.kill();
  const ratio = Number((weir.microsPerPart / bare.microsPerPart).toFixed(2));
  if (options.json) console.log(JSON.stringify({ viewers, weir, bare, ratio, targetRatio: TARGET_RATIO }));
  else {
    console.table({ weir, 'bare node:http': bare });
    console.log(`${viewers} viewers cost ${ratio} × a bare server (target ≤ ${TARGET_RATIO})`);
  }
} finally {
  await publisher.stop();
  await node.close();
}
