/**
 * The player in a real Chromium against the whole system (`weir up`): plays, survives what happens to edge, publisher and
 * network, and what it measured stands in ClickHouse beside the edge's own account. Screenshots go to test/artefacts.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { signName } from '@weir/contracts/signed-name';
import { findChromium, launchChromium, openPlayer, type PlayerPage } from '@weir/test/harness/browser';
import { startTestNode } from '@weir/test/harness/edge';
import { publishFile } from '@weir/test/harness/ffmpeg';
import { startSystem, type TestSystem } from '@weir/test/harness/system';
import { eventually, waitFor } from '@weir/test/harness/wait';
import { type WatchedPicture, watchFrames } from '@weir/test/harness/watched-picture';
import type { Browser } from 'playwright-core';

const CLIP = fileURLToPath(new URL('../../services/cli/assets/demo.flv', import.meta.url));
/** Bytes of all playlists and files of HLS that the page got. */
const HLS_BYTES = `performance.getEntriesByType('resource').filter(({ name }) => /m3u8|m4s|mp4/.test(name))
  .reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0)`;
/** Run before the page's own script: counts what its player tells, from the first event on. */
const COUNT_EVENTS = `(() => {
  let kept;
  window.toldEvents = {};
  Object.defineProperty(window, 'weirPlayer', { configurable: true, get: () => kept, set(player) {
    kept = player;
    for (const name of ['started', 'stall', 'reconnect', 'rate', 'problem'])
      player.on(name, () => { window.toldEvents[name] = (window.toldEvents[name] ?? 0) + 1; });
  } });
})()`;
/** Holds that the player told each long gap with its length (300 ms is 3 × what it may be off). @returns what it told. */
function holdStallsTrue({ gaps, told }: WatchedPicture): number[] {
  const [missing = [], recorded = []] = [gaps, told].map((some) => some.filter((ms) => ms > 500).map(Math.round));
  assert.equal(recorded.length, missing.length, `frames were missing for ${missing} ms, told ${recorded} ms`);
  for (const [index, ms] of missing.entries())
    assert.ok(
      Math.abs((recorded[index] ?? 0) - ms) < 300,
      `told ${recorded[index]} ms, frames were missing for ${ms} ms`,
    );
  return recorded;
}

const found = await findChromium();

describe('the player in Chromium', { skip: 'skip' in found && found.skip }, () => {
  let system: TestSystem;
  let browser: Browser;
  const open: PlayerPage[] = [];
  const play = async (query: string, script?: string): Promise<PlayerPage> => {
    const { http } = system.node('edge-2');
    // a test before may have killed it
    await waitFor('edge 2', async () => (await fetch(`${http}/readyz`)).ok, { timeoutMs: 90_000 });
    const page = await openPlayer(browser, `${http}/player/?${query}`, undefined, async (empty) => {
      if (script) await empty.addInitScript(script);
    });
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

  /** Holds that all a session told stands in SQL: as many of each kind, of that edge and stream, on its connections. */
  const holdAllStored = async (session: string, told: Record<string, number>, connections: readonly string[]) => {
    const kindOf: Record<string, string> = { started: 'player.start', problem: 'player.error' };
    const wanted = Object.entries(told).map(([name, count]) => [kindOf[name] ?? `player.${name}`, count]);
    const sql = `SELECT type AS kind, count() AS n, groupUniqArray([node, app, stream]) AS places,
          groupUniqArray(context['connection']) AS connections
        FROM weir.viewer_measurements WHERE session_id = '${session}' GROUP BY type
      UNION ALL SELECT name, count(), groupUniqArray([node, app, stream]), groupUniqArray(attributes['connection'])
        FROM weir.viewer_events WHERE session_id = '${session}' AND name LIKE 'player.%' GROUP BY name`;
    const kinds = await eventually(
      () => system.rows<{ kind: string; n: string; places: string[][]; connections: string[] }>(sql),
      (rows) => {
        const counts = new Map(rows.map(({ kind, n }) => [kind, Number(n)]));
        // How many heartbeats there were is not told.
        return (
          counts.delete('player.heartbeat') && isDeepStrictEqual(Object.fromEntries(counts), Object.fromEntries(wanted))
        );
      },
      30_000,
      JSON.stringify(wanted),
    );
    for (const { kind, places, connections: stored } of kinds) {
      assert.deepEqual(places, [['edge-2', 'live', 'demo']], kind);
      assert.ok(
        stored.every((one) => connections.includes(one)),
        `${kind} of ${stored}`,
      );
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
      // a first start of the browser from a cold disk took 6.3 s; how fast it is otherwise shows `npm run bench -- player`
      assert.ok(start.totalMs < 20_000, `first frame after ${start.totalMs} ms`);
      const before = await player.currentTime();
      const { watchedMs: watchedBeforeMs } = await player.stats();
      const seen = await player.until('two more seconds', ({ watchedMs }) => watchedMs > watchedBeforeMs + 2_000);
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
    // A second viewer behind the same address, with the same browser, who comes later.
    await player.until('two watched seconds', ({ watchedMs }) => watchedMs > 2_000);
    const other = await play('stream=live/demo&transport=hls');
    await other.until('two watched seconds', ({ watchedMs }) => watchedMs > 2_000);
    const seen = await player.until('a live picture', ({ delayMs }) => delayMs !== undefined && delayMs < 5_000);
    assert.equal(seen.transport, 'hls');
    assert.ok(seen.framesDecoded > 40, `${seen.framesDecoded} frames`);
    await player.screenshot('player-hls');
    const viewers = await Promise.all(
      [player, other].map(async (one) => ({
        connection: (await one.stats()).edge?.connection ?? '',
        bytes: Number(await one.page.evaluate(HLS_BYTES)),
      })),
    );
    await leaveAll();
    // Of HLS nobody says good-bye: a viewer has gone when it has not asked for a while.
    for (const { connection, bytes } of viewers) {
      const row = await waitFor('the connection in SQL, joined with what was seen', async () => {
        const [joined] = await system.rows<Record<string, string | number>>(
          `SELECT node, protocol, stream, session_id, bytes_delivered, watched_seconds FROM weir.viewer_connections
            WHERE toString(connection_id) = '${connection}' AND closed_at IS NOT NULL`,
        );
        return joined && Number(joined.watched_seconds) > 0 ? joined : undefined;
      });
      assert.deepEqual([row.node, row.protocol, row.stream], ['edge-2', 'hls', 'demo']);
      assert.notEqual(row.session_id, '');
      const more = Number(row.bytes_delivered) - bytes;
      // What was on its way when the page was left was given, and not counted by the page.
      assert.ok(more >= 0 && more < 400_000, `the edge gave ${row.bytes_delivered} bytes, the page got ${bytes}`);
    }
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
    for (const view of ['viewer_places', 'viewer_experience']) {
      const places = await system.rows<{ machine_id: string }>(
        `SELECT DISTINCT machine_id FROM weir.${view} WHERE node = 'edge-2' AND stream = 'demo'`,
      );
      assert.deepEqual(places, [{ machine_id: row.machine_id }], view);
    }
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

  it('records one stall of its true length, on the connection that was lost, when its only edge is killed', async (test) => {
    const player = await play('stream=live/demo', COUNT_EVENTS);
    const before = await player.until('four watched seconds', ({ watchedMs }) => watchedMs > 4_000);
    const watched = await watchFrames(player.page);
    // It is started again by its supervisor, on the same port: longer away than the buffer lasts.
    process.kill(system.pids()['edge-2'] ?? 0, 'SIGKILL');
    await player.until(
      'the picture again',
      ({ state, framesDecoded, reconnects }) =>
        state === 'playing' && reconnects > before.reconnects && framesDecoded > before.framesDecoded + 60,
    );
    const picture = await watched();
    const [first = 0] = holdStallsTrue(picture);
    test.diagnostic(`told ${first} ms, the playhead stood still for ${Math.round(picture.still)} ms`);
    assert.ok(first > 0, 'the buffer did not last');
    // The playhead of the next source may move before its first frame is on the screen, never after.
    assert.ok(
      picture.still < first + 300 && picture.still > first / 2,
      `the playhead stood still for ${picture.still} ms`,
    );
    const told = (await player.page.evaluate('window.toldEvents')) as Record<string, number>;
    const session = String(await player.page.evaluate("JSON.parse(sessionStorage.getItem('weir-session')).id"));
    const after = (await player.stats()).edge?.connection ?? '';
    await leaveAll();
    const [row] = await waitFor('the stall in SQL', async () => {
      const rows = await system.rows<{ node: string; duration: number; cause: string }>(
        `SELECT node, values['duration_ms'] AS duration, context['cause'] AS cause FROM weir.viewer_measurements
          WHERE type = 'player.stall' AND context['connection'] = '${before.edge?.connection}' ORDER BY duration DESC`,
      );
      return rows.length > 0 ? rows : undefined;
    });
    assert.deepEqual([row?.node, row?.cause], ['edge-2', 'reconnect']);
    assert.ok(Math.abs(Number(row?.duration) - first) < 1, `${row?.duration} ms in SQL`);
    await holdAllStored(session, told, [before.edge?.connection ?? '', after]);
  });

  it('plays on elsewhere when its edge is killed, without a reload and with no more than one stall', async () => {
    const edges = ['edge-2', 'edge-1'].map(
      (name) => `url=${encodeURIComponent(`${system.node(name).http}/live/demo`)}`,
    );
    const player = await openPlayer(browser, `${system.node('edge-1').http}/player/?${edges.join('&')}`);
    open.push(player);
    const before = await player.until('three watched seconds', ({ watchedMs }) => watchedMs > 3_000);
    assert.equal(before.edge?.node, 'edge-2');
    const watched = await watchFrames(player.page);
    process.kill(system.pids()['edge-2'] ?? 0, 'SIGKILL');
    const seen = await player.until(
      'the picture from edge 1',
      ({ edge, state, framesDecoded }) =>
        edge?.node === 'edge-1' && state === 'playing' && framesDecoded > before.framesDecoded + 40,
    );
    assert.equal(seen.reconnects, 1);
    const picture = await watched();
    holdStallsTrue(picture);
    assert.ok(picture.longest < 9_000, `${picture.longest} ms without a frame`);
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

  it('tells a viewer who has the wrong key or signature, and lets in who has the right one', async () => {
    const guarded = await startTestNode({ access: { play: 'key', playKeys: ['*=right'], signingKeys: ['secret'] } });
    const signed = (key: string) =>
      signName({ action: 'play', stream: 'live/guarded', expires: Math.floor(Date.now() / 1_000) + 60 }, key);
    const publisher = publishFile(CLIP, guarded.rtmpUrl('live/guarded'));
    const url = encodeURIComponent(guarded.httpUrl('/live/guarded'));
    const refused = await play(`url=${url}&key=wrong`);
    await waitFor('the message', async () => (await refused.message()) === 'You can’t watch this stream');
    await refused.screenshot('player-refused');
    assert.equal((await refused.stats()).state, 'refused');
    const forged = await play(`url=${url}&${signed('guessed')}`);
    await waitFor('the message', async () => (await forged.message()) === 'You can’t watch this stream');
    for (const [transport, right] of [
      ['ws-flv', 'key=right'],
      ['http-flv', signed('secret')],
      ['hls', signed('secret')],
    ]) {
      const player = await play(`url=${url}&${right}&transport=${transport}`);
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
