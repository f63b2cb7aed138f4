/**
 * A real Chromium (Debian's) for tests, without a window: starts it, opens pages with a player, takes screenshots. Where
 * Chromium can't be had the tests say so loudly and are skipped.
 */
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ensure } from '@weir/cli/ensure/ensure';
import { errorMessage } from '@weir/contracts/errors';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

/** Nothing but what is asked for goes over the network; the picture is drawn by the processor. */
const ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--autoplay-policy=no-user-gesture-required',
];

/** Screenshots of tests, kept and not committed. */
export const ARTEFACTS = fileURLToPath(new URL('../artefacts/', import.meta.url));

/** Chromium's path, or why it can't be had (the reason of a skip). */
export async function findChromium(): Promise<{ path: string } | { skip: string }> {
  const toolsDir = fileURLToPath(new URL('../../node_modules/.cache/weir/tools', import.meta.url));
  const say = (line: string) => void process.stderr.write(`${line}\n`);
  try {
    return { path: await ensure('chromium', { toolsDir, say }) };
  } catch (error) {
    const reason = errorMessage(error);
    say(`\n*** SKIPPED: tests in a browser: ${reason} ***\n`);
    return { skip: reason };
  }
}

/** Starts Chromium with a fresh profile; close it at the end. */
export function launchChromium(path: string): Promise<Browser> {
  return chromium.launch({ executablePath: path, args: ARGUMENTS, timeout: START_MS });
}

/** What `player.stats()` gives, as far as tests look at it. */
export interface SeenStats {
  state: string;
  transport: string;
  host: string;
  edge: { node: string; connection: string } | undefined;
  delayMs: number | undefined;
  bufferMs: number;
  bitrate: number;
  framesDecoded: number;
  framesDropped: number;
  stalls: number;
  stalledMs: number;
  reconnects: number;
  watchedMs: number;
  start:
    | { totalMs: number; connectMs: number; firstByteMs: number; firstFrameMs: number; scriptMs: number }
    | undefined;
}

/** A page with the player. */
export interface PlayerPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors of the page so far. */
  readonly errors: string[];
  stats(): Promise<SeenStats>;
  /** Resolves with the figures as soon as `isGood`; fails with the last ones. */
  until(what: string, isGood: (stats: SeenStats) => boolean, timeoutMs?: number): Promise<SeenStats>;
  /** Text over the picture; empty when there is none. */
  message(): Promise<string>;
  /** Seconds the playhead stands at. */
  currentTime(): Promise<number>;
  /** Writes test/artefacts/<name>.png. */
  screenshot(name: string): Promise<void>;
  /** Leaves as a viewer does: the page can say its last words. */
  leave(): Promise<void>;
}

const DEFAULT_SIZE = { width: 1_280, height: 800 };
const POLL_MS = 50;
/** Chromium's first start from a cold, slow disk, and its first page, take long. */
const START_MS = 180_000;

/**
 * Opens the player's page at `url` in a context (cookies, storage, network) of its own.
 * @param prepare what is to be done to the page before it loads anything.
 */
export async function openPlayer(
  browser: Browser,
  url: string,
  viewport = DEFAULT_SIZE,
  prepare: (page: Page) => Promise<void> = async () => {},
): Promise<PlayerPage> {
  const context = await browser.newContext({ viewport });
  const page = await context.newPage();
  await prepare(page);
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.stack ?? error.message));
  await page.goto(url, { timeout: START_MS });
  const stats = async () => JSON.parse(await page.evaluate('JSON.stringify(window.weirPlayer.stats())')) as SeenStats;
  return {
    page,
    context,
    errors,
    stats,
    async until(what, isGood, timeoutMs = 60_000) {
      const end = performance.now() + timeoutMs;
      for (;;) {
        const seen = await stats();
        if (isGood(seen)) return seen;
        if (performance.now() > end)
          throw new Error(`waited ${timeoutMs} ms in vain for ${what}: ${JSON.stringify(seen)}`);
        await page.waitForTimeout(POLL_MS);
      }
    },
    message: () =>
      page.evaluate(
        `(() => { const root = document.querySelector('.weir-player').shadowRoot; const veil = root.querySelector('.veil');
          return veil.classList.contains('on') ? veil.querySelector('h2').textContent : ''; })()`,
      ),
    currentTime: () => page.evaluate("document.querySelector('video').currentTime"),
    async screenshot(name) {
      mkdirSync(ARTEFACTS, { recursive: true });
      await page.screenshot({ path: `${ARTEFACTS}${name}.png` });
    },
    async leave() {
      await page.goto('about:blank');
      await context.close();
    },
  };
}
