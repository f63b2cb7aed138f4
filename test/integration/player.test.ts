/**
 * The player in a real Chromium against the whole system (`weir up`): plays, survives what happens to edge, publisher and
 * network, and what it measured stands in ClickHouse beside the edge's own account. Screenshots go to test/artefacts.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findChromium, launchChromium, openPlayer, type PlayerPage } from '@weir/test/harness/browser';
import { startTestNode } from '@weir/test/harness/edge';
import { publishFile } from '@weir/test/harness/ffmpeg';
import { startSystem, type TestSystem } from '@weir/test/harness/system';
import { waitFor } from '@weir/test/harness/wait';
import type { Browser } from 'playwright-core';

const CLIP = fileURLToPath(new URL('../../services/cli/assets/demo.flv', import.meta.url));
const found = await findChromium();

describe('the player in Chromium', { skip: 'skip' in found && found.skip }, () => {
  let system: TestSystem;
  let browser: Browser;
  const open: PlayerPage[] = [];
  const play = async (query: string, viewport?: { width: number; height: number }): Promise<PlayerPage> => {
    const page = await openPlayer(browser, `${system.node('edge-2').http}/player/?${query}`, viewport);
    open.push(page);
    return page;
  };
  /** Ends all pages and holds that none had an error. */
  const leaveAll = async () => {
    for (const page of open.splice(0)) {
      await page.leave();
      assert.deepEqual(page.errors, []);
    }
  };

  before(async () => {
    if (!('path' in found)) return;
    system = await startSystem();
    browser = await launchChromium(found.path);
  });
  after(async () => {
    await browser?.close();
    await system?.close();
  });

  for (const transport of ['ws-flv', 'http-flv'] as const) {
    it(`plays a stream of the other edge by ${transport}, close to live`, async () => {
      const player = await play(`stream=live/demo&transport=${transport}&figures`);
      const { start, edge } = await player.until('the first frame', ({ state }) => state === 'playing');
      assert.equal(edge?.node, 'edge-2');
      assert.ok(start);
      const parts = start.scriptMs + start.connectMs + start.firstByteMs + start.firstFrameMs;
      assert.ok(Math.abs(parts - start.totalMs) < 0.01, 'the parts are the whole');
      assert.ok(start.totalMs < 5_000, `first frame after ${start.totalMs} ms`);
      const before = await player.currentTime();
      const seen = await player.until('two watched seconds', ({ watchedMs }) => watchedMs > 2_000);
      assert.ok((await player.currentTime()) - before > 1.5, 'the playhead moves');
      assert.ok(seen.framesDecoded > 20, `${seen.framesDecoded} frames`);
      assert.ok(seen.bitrate > 100_000, `${seen.bitrate} bit/s`);
      await player.until('a live picture', ({ delayMs }) => delayMs !== undefined && delayMs < 3_000);
      assert.equal(await player.message(), '');
      await player.screenshot(`player-${transport}`);
      await leaveAll();
    });
  }

  it('plays HLS when it is told to, less than its buffer behind live', async () => {
    const player = await play('stream=live/demo&transport=hls&figures');
    await player.until('four watched seconds', ({ watchedMs }) => watchedMs > 4_000);
    const seen = await player.until('a live picture', ({ delayMs }) => delayMs !== undefined && delayMs < 5_000);
    assert.equal(seen.transport, 'hls');
    assert.ok(seen.framesDecoded > 40, `${seen.framesDecoded} frames`);
    await player.screenshot('player-hls');
    await leaveAll();
  });

  it('comes to HLS by itself where there are no Media Source Extensions', async (test) => {
    const context = await browser.newContext();
    await context.addInitScript(
      'delete window.MediaSource; delete window.ManagedMediaSource; delete window.WebKitMediaSource;',
    );
    const page = await context.newPage();
    await page.goto(`${system.node('edge-2').http}/player/?stream=live/demo`);
    const native = await page.evaluate("document.createElement('video').canPlayType('application/vnd.apple.mpegurl')");
    if (native === '') test.skip('this Chromium has no HLS of its own');
    else {
      await waitFor(
        'two watched seconds',
        async () => Number(await page.evaluate('window.weirPlayer.stats().watchedMs')) > 2_000,
      );
      assert.equal(await page.evaluate('window.weirPlayer.stats().transport'), 'hls');
    }
    await context.close();
  });

  it('stores what it measured where the edge stores the connection, and they join', async () => {
    const player = await play('stream=live/demo');
    const { edge } = await player.until('six watched seconds', ({ watchedMs }) => watchedMs > 6_000);
    await leaveAll();
    const connection = edge?.connection ?? '';
    const sql = `SELECT node, protocol, app, stream, session_id, reason, start_ms, watched_seconds, delay_ms, bytes_delivered, machine_id
      FROM weir.viewer_connections WHERE toString(connection_id) = '${connection}' AND closed_at IS NOT NULL`;
    const row = await waitFor('the joined row', async () => {
      const [joined] = await system.rows<Record<string, string | number>>(sql);
      return joined && Number(joined.watched_seconds) > 0 ? joined : undefined;
    });
    assert.deepEqual([row.node, row.protocol, row.app, row.stream], ['edge-2', 'ws-flv', 'live', 'demo']);
    assert.match(String(row.reason), /^client-(closed|reset)$/);
    assert.ok(Number(row.start_ms) > 0);
    assert.ok(Number(row.watched_seconds) > 5 && Number(row.watched_seconds) < 60, `${row.watched_seconds} s`);
    assert.ok(Number(row.delay_ms) > 0 && Number(row.delay_ms) < 5_000, `${row.delay_ms} ms`);
    assert.ok(Number(row.bytes_delivered) > 100_000);
    assert.notEqual(row.machine_id, '');
    const sessions = await system.rows<{ session_id: string; nodes: string[]; browser: string }>(
      `SELECT session_id, nodes, browser FROM weir.viewer_sessions WHERE session_id = '${row.session_id}'`,
    );
    assert.deepEqual(
      sessions.map(({ nodes }) => nodes),
      [['edge-2']],
    );
    assert.match(sessions[0]?.browser ?? '', /^Chrome/);
  });

  it('says that nobody publishes, starts by itself when somebody does, and goes on when they come back', async () => {
    const player = await play('stream=live/late');
    await waitFor('the message', async () => (await player.message()) === 'This stream is not live');
    await player.screenshot('player-not-found');
    const url = `${system.node('edge-1').rtmp}/live/late`;
    let publisher = publishFile(CLIP, url);
    await player.until('the picture', ({ state }) => state === 'playing');
    assert.equal(await player.message(), '');
    await publisher.stop();
    await waitFor('the message', async () => (await player.message()) === 'The broadcaster is away', {
      timeoutMs: 40_000,
    });
    await player.screenshot('player-away');
    publisher = publishFile(CLIP, url);
    const before = await player.stats();
    await player.until(
      'the picture again',
      ({ state, framesDecoded }) => state === 'playing' && framesDecoded > before.framesDecoded + 20,
    );
    await publisher.stop();
    await leaveAll();
  });

  it('plays on elsewhere when its edge is killed, with one stall of its true length', async () => {
    const edges = ['edge-2', 'edge-1'].map(
      (name) => `url=${encodeURIComponent(`${system.node(name).http}/live/demo`)}`,
    );
    const player = await openPlayer(browser, `${system.node('edge-1').http}/player/?${edges.join('&')}`);
    open.push(player);
    const before = await player.until('three watched seconds', ({ watchedMs }) => watchedMs > 3_000);
    assert.equal(before.edge?.node, 'edge-2');
    // The longest time without a new frame, taken by the page itself, apart from the player.
    await player.page.evaluate(`(() => { const video = document.querySelector('video'); let last = 0; window.longest = 0;
      const seen = (now, { presentationTime }) => { if (last) window.longest = Math.max(window.longest, presentationTime - last);
        last = presentationTime; video.requestVideoFrameCallback(seen); }; video.requestVideoFrameCallback(seen); })()`);
    process.kill(system.pids()['edge-2'] ?? 0, 'SIGKILL');
    const seen = await player.until(
      'the picture from edge 1',
      ({ edge, state, framesDecoded }) =>
        edge?.node === 'edge-1' && state === 'playing' && framesDecoded > before.framesDecoded + 40,
    );
    assert.equal(seen.reconnects, 1);
    const longest = (await player.page.evaluate('window.longest')) as number;
    assert.ok(longest < 9_000, `${longest} ms without a frame`);
    assert.ok(seen.stalls - before.stalls <= 1 || longest > 2_000, `${seen.stalls - before.stalls} stalls`);
    if (seen.stalls > before.stalls) {
      const told = seen.stalledMs - before.stalledMs;
      assert.ok(
        Math.abs(told - longest) < 100 + 50 * (seen.stalls - before.stalls),
        `told ${told} ms, was ${longest} ms`,
      );
    }
    await player.screenshot('player-failed-over');
    await leaveAll();
    const [row] = await waitFor('the reconnect in SQL', async () => {
      const rows = await system.rows<{ from: string; to: string }>(
        `SELECT context['from_node'] AS from, context['to_node'] AS to FROM weir.viewer_measurements
          WHERE type = 'player.reconnect' AND context['to_node'] = 'edge-1' AND context['connection'] = '${seen.edge?.connection}'`,
      );
      return rows.length > 0 ? rows : undefined;
    });
    assert.deepEqual(row, { from: 'edge-2', to: 'edge-1' });
  });

  it('says that the device is offline, and goes on when it is not', async () => {
    const page = await play('stream=live/demo&transport=http-flv');
    await page.until('a watched second', ({ watchedMs }) => watchedMs > 1_000);
    await page.context.setOffline(true);
    // What is open stays open in a browser that only pretends; the edge ends it. It is started again by its supervisor.
    process.kill(system.pids()['edge-2'] ?? 0, 'SIGKILL');
    await waitFor('the message', async () => (await page.message()) === 'You are offline');
    await page.screenshot('player-offline');
    const before = await page.stats();
    await page.context.setOffline(false);
    await page.until(
      'the picture again',
      ({ state, framesDecoded }) => state === 'playing' && framesDecoded > before.framesDecoded + 20,
    );
    await leaveAll();
  });

  it('tells a viewer who has the wrong key, and lets in who has the right one', async () => {
    const guarded = await startTestNode({ access: { play: 'key', playKeys: ['*=right'] } });
    const publisher = publishFile(CLIP, guarded.rtmpUrl('live/guarded'));
    const url = encodeURIComponent(guarded.httpUrl('/live/guarded'));
    const refused = await play(`url=${url}&key=wrong`);
    await waitFor('the message', async () => (await refused.message()) === 'You can’t watch this stream');
    await refused.screenshot('player-refused');
    assert.equal((await refused.stats()).state, 'refused');
    for (const transport of ['ws-flv', 'http-flv', 'hls']) {
      const player = await play(`url=${url}&key=right&transport=${transport}`);
      await player.until(
        `the picture by ${transport}`,
        ({ state, watchedMs }) => state === 'playing' && watchedMs > 500,
      );
    }
    assert.equal((await refused.stats()).state, 'refused', 'nothing is tried on');
    await leaveAll();
    await publisher.stop();
    await guarded.close();
  });

  it('measures nothing, stores nothing and sends no session without consent', async () => {
    const context = await browser.newContext();
    await context.addInitScript("localStorage.setItem('weir-player-consent', 'no')");
    const page = await context.newPage();
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    page.on('websocket', (socket) => asked.push(socket.url()));
    await page.goto(`${system.node('edge-1').http}/player/?stream=live/demo`);
    await waitFor(
      'two watched seconds',
      async () => Number(await page.evaluate('window.weirPlayer.stats().watchedMs')) > 2_000,
    );
    assert.deepEqual(
      asked.filter((url) => url.includes('/faro') || url.includes('session=')),
      [],
    );
    assert.equal(await page.evaluate('sessionStorage.length'), 0);
    await page.locator('#consent').check();
    await waitFor('a request to ingest', () => asked.some((url) => url.includes('/faro/collect')));
    await context.close();
  });

  it('works by keyboard, and on a small screen', async () => {
    const player = await openPlayer(browser, `${system.node('edge-1').http}/player/?stream=live/demo`, {
      width: 390,
      height: 844,
    });
    open.push(player);
    await player.until('a watched second', ({ watchedMs }) => watchedMs > 1_000);
    await player.page.keyboard.press('d');
    assert.equal(await player.page.locator('.weir-player .figures').isVisible(), true);
    await player.page.keyboard.press('k');
    await player.until('a pause', ({ state }) => state === 'paused');
    await player.screenshot('player-phone');
    await player.page.keyboard.press('k');
    await player.until('the picture', ({ state }) => state === 'playing');
    await player.page.keyboard.press('m');
    assert.equal(await player.page.evaluate("document.querySelector('video').muted"), true);
    const wide = await player.page.evaluate('document.documentElement.scrollWidth');
    assert.equal(wide, 390, 'nothing is wider than the screen');
    await leaveAll();
  });
});
