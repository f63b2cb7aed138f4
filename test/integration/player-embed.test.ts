/**
 * The player on a page of another origin, as its README prints it, and as people use it: by keyboard, screen reader and
 * touch, in picture in picture, and in a tab that sleeps. In a real Chromium.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findChromium, launchChromium, openPlayer } from '@weir/test/harness/browser';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { type ClipPublishing, demoClip, publishClipFrom } from '@weir/test/harness/enhanced-flv';
import { type PlayerSite, startPlayerSite } from '@weir/test/harness/player-site';
import { waitFor } from '@weir/test/harness/wait';
import { build } from 'esbuild';
import type { Browser } from 'playwright-core';

const found = await findChromium();
const README = fileURLToPath(new URL('../../services/player/README.md', import.meta.url));
const HERE = fileURLToPath(new URL('.', import.meta.url));

describe('the player on somebody else’s page', { concurrency: 2, skip: 'skip' in found && found.skip }, () => {
  let node: TestNode;
  let site: PlayerSite;
  let browser: Browser;
  let publisher: ClipPublishing;
  const pages: Record<string, string> = {};
  const page = () => `${site.url}/player/?url=${encodeURIComponent(node.httpUrl('/live/demo'))}`;

  before(async () => {
    if (!('path' in found)) return;
    [node, site, browser] = await Promise.all([startTestNode(), startPlayerSite(pages), launchChromium(found.path)]);
    publisher = await publishClipFrom(node.rtmpUrl('live/demo'), demoClip());
  });
  after(async () => {
    await browser?.close();
    await publisher?.close();
    await site?.close();
    await node?.close();
  });

  it('plays the example of the README as it is printed there', async () => {
    const [, example = ''] = /```html\n([\s\S]*?)```/.exec(readFileSync(README, 'utf8')) ?? [];
    assert.match(example, /attachPlayer/);
    pages['/example.html'] = example
      .replaceAll('https://edge.example/player/', `${site.url}/player/`)
      .replaceAll(/https:\/\/edge(-2)?\.example/g, node.httpUrl(''))
      .replaceAll('https://ingest.example', site.url);
    const shown = await browser.newPage();
    await shown.goto(`${node.httpUrl('/nothing')}`);
    await shown.goto(`${site.url}/example.html`);
    await waitFor('a moving picture', async () =>
      shown.evaluate(
        "(() => { const v = document.querySelector('video'); return v && v.videoWidth > 0 && v.currentTime > 1; })()",
      ),
    );
    await shown.close();
  });

  it('says that an address is none, and asks for a stream instead', async () => {
    const asking = await openPlayer(browser, `${site.url}/player/?url=${encodeURIComponent('https://')}`);
    assert.equal(await asking.page.locator('#wrong').textContent(), '“https://” is no address of a stream.');
    assert.equal(await asking.page.evaluate('document.activeElement.id'), 'stream');
    assert.deepEqual(asking.errors, []);
    await asking.context.close();
    const odd = await openPlayer(browser, `${site.url}/player/?stream=${encodeURIComponent('live/100% #1')}`);
    assert.equal(await odd.page.locator('#title').textContent(), 'live/100% #1');
    await odd.leave();
    assert.deepEqual(odd.errors, []);
  });

  it('plays and measures where the browser forbids storage, as in frames of other sites', async (test) => {
    const measured = await startPlayerSite(
      {},
      { measure: { url: `${site.url}/faro/collect`, apiKey: '', samplingRate: 1 } },
    );
    test.after(() => measured.close());
    const forbid = `for (const name of ['localStorage', 'sessionStorage'])
      Object.defineProperty(window, name, { get() { throw new DOMException('denied', 'SecurityError'); } });`;
    const url = page().replace(site.url, measured.url);
    const player = await openPlayer(browser, url, undefined, async (empty) => {
      await empty.addInitScript(forbid);
    });
    await player.until('a watched second', ({ watchedMs }) => watchedMs > 1_000);
    await player.page.locator('#consent').uncheck();
    await player.leave();
    assert.deepEqual(player.errors, []);
  });

  it('can be bundled by its name, with types', async () => {
    const contents = `import { attachPlayer, type AttachedPlayer } from '@weir/player';
      const player: AttachedPlayer = attachPlayer(document.querySelector('video')!, { url: location.hash.slice(1) });
      Object.assign(window, { player });`;
    const bundle = await build({
      stdin: { contents, loader: 'ts', resolveDir: HERE },
      ...{ bundle: true, format: 'esm', write: false, logLevel: 'silent' },
    });
    pages['/bundled.html'] =
      `<!doctype html><video muted></video><script type="module">${bundle.outputFiles[0]?.text.replaceAll('</script', '<\\/script')}</script>`;
    const shown = await browser.newPage();
    await shown.goto(`${site.url}/bundled.html#${node.httpUrl('/live/demo')}`);
    await waitFor('a second', async () => Number(await shown.evaluate('window.player.stats().watchedMs')) > 1_000);
    await shown.evaluate('window.player.close()');
    assert.equal(await shown.evaluate("document.querySelector('.weir-player')"), null, 'the page is as it was');
    await shown.close();
  });

  it('names every control for screen readers, in the order of the Tab key, and says aloud what happens', async () => {
    const player = await openPlayer(browser, page());
    await player.until('a watched second', ({ watchedMs }) => watchedMs > 1_000);
    const names: string[] = [];
    for (let i = 0; i < 12; i++) {
      await player.page.keyboard.press('Tab');
      const name = await player.page.evaluate(`(() => {
        const inner = document.activeElement?.shadowRoot?.activeElement;
        return inner ? inner.getAttribute('aria-label') ?? inner.textContent : '';
      })()`);
      if (name !== '') names.push(String(name));
    }
    const order =
      /^Live video, Pause, Sound off, Volume, (Live|Jump to live), Playback figures, Picture in picture, Full screen/;
    assert.match(names.join(', '), order);
    const roles = await player.page.evaluate(`(() => {
      const root = document.querySelector('.weir-player').shadowRoot;
      const unnamed = [...root.querySelectorAll('button:not([hidden]), input')].filter((one) => !one.getAttribute('aria-label') && !one.textContent.trim());
      return { unnamed: unnamed.length, status: root.querySelector('[role=status]').getAttribute('aria-live') };
    })()`);
    assert.deepEqual(roles, { unnamed: 0, status: 'polite' });
    await player.page.keyboard.press('m');
    assert.equal(await player.page.evaluate("document.querySelector('video').muted"), true);
    const nobody = await openPlayer(browser, page().replace('demo', 'nobody'));
    await waitFor('the words', async () =>
      String(
        await nobody.page.evaluate(
          "document.querySelector('.weir-player').shadowRoot.querySelector('[role=status]').textContent",
        ),
      ).startsWith('This stream is not live'),
    );
    await nobody.leave();
    await player.leave();
  });

  it('goes into picture in picture and back by the key P', async (test) => {
    const player = await openPlayer(browser, page());
    await player.until('a watched second', ({ watchedMs }) => watchedMs > 1_000);
    if (!(await player.page.evaluate('document.pictureInPictureEnabled'))) {
      test.skip('this Chromium has no picture in picture');
    } else {
      const isOut = () => player.page.evaluate('document.pictureInPictureElement !== null');
      await player.page.keyboard.press('p');
      await waitFor('the small window', isOut);
      const { watchedMs } = await player.stats();
      await player.until('that it plays on', (stats) => stats.watchedMs > watchedMs + 500);
      await player.page.keyboard.press('p');
      await waitFor('the page again', async () => !(await isOut()));
    }
    await player.leave();
  });

  it('shows its bar at a tap without pausing, and fits a phone upright and across', async () => {
    for (const [width, height] of [
      [390, 844],
      [844, 390],
    ] as const) {
      const context = await browser.newContext({ viewport: { width, height }, hasTouch: true, isMobile: true });
      const phone = await context.newPage();
      await phone.goto(page());
      await waitFor(
        'a second',
        async () => Number(await phone.evaluate('window.weirPlayer.stats().watchedMs')) > 1_000,
      );
      await waitFor('the bar to go', () =>
        phone.evaluate("document.querySelector('.weir-player').dataset.idle === ''"),
      );
      await phone.locator('video').tap();
      await waitFor('the bar', () =>
        phone.evaluate("document.querySelector('.weir-player').dataset.idle === undefined"),
      );
      assert.equal(await phone.evaluate('window.weirPlayer.stats().state'), 'playing');
      assert.ok(Number(await phone.evaluate('document.documentElement.scrollWidth')) <= width);
      const small =
        await phone.evaluate(`[...document.querySelector('.weir-player').shadowRoot.querySelectorAll('.bar button')]
        .filter((one) => !one.hidden).map((one) => Math.min(one.offsetWidth, one.offsetHeight)).filter((side) => side < 36)`);
      assert.deepEqual(small, [], 'every button is large enough for a finger');
      await phone.screenshot({ path: fileURLToPath(new URL(`../artefacts/player-${width}.png`, import.meta.url)) });
      await context.close();
    }
  });

  it('comes back to the live edge after the tab has slept, and calls the sleep no stall', async () => {
    const player = await openPlayer(browser, page());
    await player.until('two watched seconds', ({ watchedMs }) => watchedMs > 2_000);
    const { stalledMs } = await player.stats();
    const tab = await player.context.newCDPSession(player.page);
    const slept = performance.now();
    await tab.send('Page.setWebLifecycleState', { state: 'frozen' });
    await waitFor('a sleep of five seconds', () => performance.now() - slept > 5_000);
    await tab.send('Page.setWebLifecycleState', { state: 'active' });
    const { watchedMs } = await player.stats();
    const awake = await player.until(
      'the live edge',
      (stats) => stats.state === 'playing' && stats.watchedMs > watchedMs + 1_000 && (stats.delayMs ?? 9_999) < 3_000,
    );
    assert.ok(awake.stalledMs - stalledMs < 2_500, `${awake.stalledMs - stalledMs} ms of stalls`);
    await player.leave();
  });
});
