/**
 * A page of somebody else with the stock Faro SDK, in a real Chromium, against the real receiver: every kind of what it
 * sends (console, errors, web vitals, session and view events, measurements, traces, a beacon at the end) is found by SQL.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findChromium, launchChromium } from '@weir/test/harness/browser';
import type { TestIngest } from '@weir/test/harness/ingest';
import { type IngestPipeline, startIngestPipeline } from '@weir/test/harness/ingest-pipeline';
import type { TestPipeline } from '@weir/test/harness/pipeline';
import { type PlayerSite, startPlayerSite } from '@weir/test/harness/player-site';
import { eventually } from '@weir/test/harness/wait';
import { build } from 'esbuild';
import type { Browser } from 'playwright-core';

const KEY = 'shop-key';
const found = await findChromium();

/** The page's script, as a shop would write it: the SDK's own web instrumentations, and some calls of its API. */
const script = (url: string) => `
  import { getWebInstrumentations, initializeFaro } from '@grafana/faro-web-sdk';
  const faro = initializeFaro({
    url: '${url}', apiKey: '${KEY}', app: { name: 'shop', version: '1.0.0' },
    instrumentations: getWebInstrumentations({ captureConsole: true }),
  });
  window.act = () => {
    console.warn('little is left');
    faro.api.pushEvent('cart', { items: '3' });
    faro.api.pushMeasurement({ type: 'checkout', values: { took_ms: 12.5 } });
    const now = Date.now();
    faro.api.pushTraces({ resourceSpans: [{ resource: { attributes: [] }, scopeSpans: [{ scope: { name: 'shop' }, spans: [{
      traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', name: 'GET /cart', kind: 3, attributes: [],
      startTimeUnixNano: now + '000000', endTimeUnixNano: now + 40 + '000000', status: { code: 0 } }] }] }] });
    setTimeout(() => { throw new RangeError('the cart is full'); });
    setTimeout(() => Promise.reject(new Error('no answer')));
  };
  addEventListener('pagehide', () => {
    const meta = { session: faro.api.getSession(), page: { url: location.href } };
    const events = [{ name: 'bye', timestamp: new Date().toISOString(), attributes: {} }];
    navigator.sendBeacon('${url}?key=${KEY}', JSON.stringify({ meta, events }));
  });`;

describe('a page with the stock Faro SDK', { skip: 'skip' in found && found.skip }, () => {
  let whole: IngestPipeline;
  let pipeline: TestPipeline;
  let ingest: TestIngest;
  let site: PlayerSite;
  let browser: Browser;

  before(async () => {
    if (!('path' in found)) return;
    whole = await startIngestPipeline({ faro: { keys: [`shop=${KEY}`] } });
    ({ pipeline, ingest } = whole);
    const bundle = await build({
      stdin: {
        contents: script(`${ingest.url}/faro/collect`),
        resolveDir: fileURLToPath(new URL('.', import.meta.url)),
      },
      bundle: true,
      format: 'esm',
      write: false,
      logLevel: 'silent',
    });
    const page = `<!doctype html><title>Shop</title><h1>Shop</h1><button onclick="act()">Buy</button>
      <script type="module">${bundle.outputFiles[0]?.text.replaceAll('</script', '<\\/script')}</script>`;
    site = await startPlayerSite({ '/shop.html': page, '/next.html': '<!doctype html><title>Next</title>' });
    browser = await launchChromium(found.path);
  });
  after(async () => {
    await browser?.close();
    await site?.close();
    await whole?.close();
  });

  it('finds each kind of what it sent by SQL, with its session, page and browser', async () => {
    const page = await browser.newPage();
    await page.goto(`${site.url}/shop.html`);
    await page.getByRole('button').click();
    // A page that is left takes with it what nobody has caught yet.
    const exceptions = await eventually(
      () => pipeline.rows("SELECT name, message FROM viewer_events WHERE kind = 'exception' ORDER BY name"),
      (rows) => rows.length === 2,
    );
    // Largest paint and layout shift are told when the page is left.
    await page.goto(`${site.url}/next.html`);
    const kinds = await eventually(
      () => pipeline.rows('SELECT kind, name, message, session_id, page_url, browser FROM viewer_events ORDER BY time'),
      (rows) => rows.some(({ name }) => name === 'bye') && rows.some(({ kind }) => kind === 'log'),
      20_000,
    );
    const of = (kind: string) => kinds.filter((row) => row.kind === kind);
    assert.deepEqual(
      of('log').map(({ name, message }) => [name, message]),
      [['warn', 'little is left']],
    );
    const events = of('event').map(({ name }) => name);
    for (const name of ['session_start', 'cart', 'bye']) assert.ok(events.includes(name), `${name}: ${events}`);
    assert.deepEqual(
      exceptions.map(({ name, message }) => [name, message]),
      [
        ['Error', 'no answer'],
        ['RangeError', 'the cart is full'],
      ],
    );
    const sessions = new Set(kinds.map(({ session_id }) => session_id));
    assert.equal(sessions.size, 1, [...sessions].join());
    assert.match(kinds[0]?.browser ?? '', /^(Headless)?Chrom/);
    assert.ok(kinds.every(({ page_url }) => page_url === `${site.url}/shop.html`));
    const measured = await eventually(
      () => pipeline.rows('SELECT type, mapKeys(values) AS names FROM viewer_measurements'),
      (rows) => rows.some(({ type }) => type === 'web-vitals') && rows.some(({ type }) => type === 'checkout'),
    );
    const vitals = measured.filter(({ type }) => type === 'web-vitals').map(({ names }) => names);
    assert.ok(
      vitals.some((names) => /ttfb|fcp|lcp|cls/.test(names ?? '')),
      vitals.join(),
    );
    const span = await eventually(
      () =>
        pipeline.row("SELECT name, duration_ms FROM viewer_spans WHERE trace_id = '0af7651916cd43dd8448eb211c80319c'"),
      ({ name }) => name !== undefined,
    );
    assert.deepEqual([span.name, span.duration_ms], ['GET /cart', '40']);
  });
});
