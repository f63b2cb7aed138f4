/**
 * `npm run bench -- player [--loads 20] [--kills 3] [--json]`: what a viewer of `weir up` sees in a real Chromium: page to
 * first frame, with empty caches and for who comes again, delay by WebSocket-FLV and by low-latency HLS, and the picture when the edge is killed: with another edge to
 * go to, and with none but the one that is started again. The page watches the frames itself, apart from the player.
 */
import { parseArgs } from 'node:util';
import { findChromium, launchChromium, openPlayer, type PlayerPage } from '@weir/test/harness/browser';
import { startSystem } from '@weir/test/harness/system';
import { waitFor } from '@weir/test/harness/wait';
import { watchFrames } from '@weir/test/harness/watched-picture';

const { values: options } = parseArgs({
  options: {
    loads: { type: 'string', default: '20' },
    kills: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
});
const SETTLED_MS = 4_000;
const DELAY_SAMPLES = 50;
const UNCOUNTED = 3;
/** A new window draws its own frame and tabs first, which is no part of a page's start. */
const WINDOW_MS = 700;
const TARGET_P95_MS = 500;

const found = await findChromium();
if (!('path' in found)) throw new Error(found.skip);
const [system, browser] = await Promise.all([startSystem(), launchChromium(found.path)]);
const urlOf = (edge: string) => `${system.node(edge).http}/live/demo`;
const quantile = (values: readonly number[], share: number) => {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN);
};

/** Opens the page at the second edge, in a window that is there already; the stream is published at the first. */
const open = (query: string) =>
  openPlayer(browser, `${system.node('edge-2').http}/player/?${query}`, undefined, (page) =>
    page.waitForTimeout(WINDOW_MS),
  );

type Start = NonNullable<Awaited<ReturnType<PlayerPage['stats']>>['start']>;
const firstFrame = async (player: PlayerPage): Promise<Start> => {
  const { start } = await player.until('the first frame', (stats) => stats.start !== undefined);
  return start as Start;
};

/** Each in a context of its own: nothing of the page is cached, neither files nor compiled code. */
async function firstVisits(): Promise<Start[]> {
  const visits: Start[] = [];
  for (let i = 0; i < Number(options.loads); i++) {
    const player = await open('stream=live/demo');
    visits.push(await firstFrame(player));
    await player.leave();
  }
  return visits;
}

/** All in one context, after three visits that are not counted: with the third, Chromium has files and compiled code. */
async function furtherVisits(): Promise<Start[]> {
  const visits: Start[] = [];
  const player = await open('stream=live/demo');
  const url = player.page.url();
  for (let i = 0; i < Number(options.loads) + UNCOUNTED; i++) {
    visits.push(await firstFrame(player));
    await player.page.goto('about:blank');
    await player.page.goto(url);
  }
  await player.leave();
  return visits.slice(UNCOUNTED);
}

/** Of the whole, and the median of each of its parts. */
function summary(visits: readonly Start[]) {
  const median = (part: keyof Start) =>
    quantile(
      visits.map((visit) => visit[part]),
      0.5,
    );
  const totals = visits.map(({ totalMs }) => totalMs);
  return {
    ...{ p50Ms: quantile(totals, 0.5), p95Ms: quantile(totals, 0.95), maxMs: quantile(totals, 1) },
    medians: {
      ...{ scriptMs: median('scriptMs'), connectMs: median('connectMs') },
      ...{ firstByteMs: median('firstByteMs'), firstFrameMs: median('firstFrameMs') },
    },
  };
}

async function delays(transport: string): Promise<number[]> {
  const player = await open(`stream=live/demo&transport=${transport}`);
  await player.until('a settled picture', ({ watchedMs }) => watchedMs > 2 * SETTLED_MS);
  const values: number[] = [];
  for (let i = 0; i < DELAY_SAMPLES; i++) {
    const { delayMs } = await player.stats();
    if (delayMs !== undefined) values.push(delayMs);
    await player.page.waitForTimeout(200);
  }
  await player.leave();
  return values;
}

/** Kills the edge that serves a player which may go to `others`. */
async function kill(others: readonly string[]) {
  const query = ['edge-2', ...others].map((edge) => `url=${encodeURIComponent(urlOf(edge))}`).join('&');
  const player: PlayerPage = await openPlayer(browser, `${system.node('edge-1').http}/player/?${query}`);
  const before = await player.until('a settled picture', ({ watchedMs }) => watchedMs > SETTLED_MS);
  const watched = await watchFrames(player.page);
  process.kill(system.pids()[before.edge?.node ?? ''] ?? 0, 'SIGKILL');
  await player.until(
    'the picture again',
    ({ state, reconnects, framesDecoded }) =>
      state === 'playing' && reconnects > before.reconnects && framesDecoded > before.framesDecoded + 75,
  );
  const { gaps, told, longest } = await watched();
  await player.leave();
  await waitFor('the edge again', async () => (await fetch(`${system.node('edge-2').http}/readyz`)).ok);
  return { longestMs: Math.round(longest), gapsMs: gaps.map(Math.round), toldMs: told.map(Math.round) };
}

try {
  // The first viewer has the player bundled and the stream pulled.
  const first = await open('stream=live/demo');
  await first.until('a settled picture', ({ watchedMs }) => watchedMs > SETTLED_MS);
  await first.leave();
  const empty = await firstVisits();
  const again = await furtherVisits();
  const flv = await delays('ws-flv');
  const hls = await delays('hls');
  const another: Awaited<ReturnType<typeof kill>>[] = [];
  const only: typeof another = [];
  for (let i = 0; i < Number(options.kills); i++) another.push(await kill(['edge-1']));
  for (let i = 0; i < Number(options.kills); i++) only.push(await kill([]));
  const result = {
    firstFrame: { targetP95Ms: TARGET_P95_MS, emptyCaches: summary(empty), again: summary(again) },
    delayWsFlv: { p50Ms: quantile(flv, 0.5), maxMs: quantile(flv, 1), targetMs: 1_000 },
    delayHls: { p50Ms: quantile(hls, 0.5), maxMs: quantile(hls, 1), targetMs: 3_000 },
    edgeKilledAnotherThere: another,
    edgeKilledNoOther: only,
  };
  if (options.json) console.log(JSON.stringify(result));
  else console.log(JSON.stringify(result, null, 2));
} finally {
  await browser.close();
  await system.close();
}
