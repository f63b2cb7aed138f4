/**
 * The page at /player/: `?stream=app/name` plays it from the server the page came from; `url` (may be repeated) names
 * other servers. All other parameters go to the edge with the stream, a signature for instance.
 */
import type { AttachedPlayer, MeasuringOptions } from '../../weir-player.d.ts';
import { attachPlayer, streamOf } from './weir-player.ts';

/** `/player/config.json`: where the edge wants measurements sent. */
interface PageConfig {
  measure: { url: string; apiKey: string; samplingRate: number } | null;
}

const CONSENT_KEY = 'weir-player-consent';
const OWN_PARAMETERS: readonly string[] = ['stream', 'url', 'transport', 'latency', 'figures'];
const TRANSPORTS = ['ws-flv', 'http-flv', 'hls'] as const;

declare global {
  interface Window {
    /** The page's player, for tests and for people with a console. */
    weirPlayer: AttachedPlayer | undefined;
  }
}

const query = new URLSearchParams(location.search);
const byId = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const urls = streamUrls();
if (urls.length === 0) ask();
else start(urls);

function streamUrls(): string[] {
  const rest = new URLSearchParams([...query].filter(([name]) => !OWN_PARAMETERS.includes(name))).toString();
  const stream = query.get('stream');
  const own = stream ? [new URL(`/${pathOf(stream)}`, location.href).href] : [];
  return [...query.getAll('url').filter((url) => URL.canParse(url, location.href)), ...own].map((url) =>
    rest === '' ? url : `${url}${url.includes('?') ? '&' : '?'}${rest}`,
  );
}

/** A stream's name as a path; a query that was written behind it stays one. */
function pathOf(stream: string): string {
  const [name = '', ...more] = stream.replace(/^\/+/, '').split('?');
  return [name.split('/').map(encodeURIComponent).join('/'), ...more].join('?');
}

function start(urls: readonly string[]): void {
  const title = titleOf(urls);
  document.title = `${title} – Weir`;
  byId('title').textContent = title;
  byId('stage').hidden = false;
  const measure = measuring(config());
  const transport = TRANSPORTS.find((name) => name === query.get('transport')) ?? 'auto';
  const video = document.createElement('video');
  byId('stage').append(video);
  const player = attachPlayer(video, {
    url: urls,
    transport,
    lowLatency: query.get('latency') !== 'normal',
    surface: { keys: 'page', figures: query.has('figures') },
    ...(measure ? { measure } : {}),
  });
  window.weirPlayer = player;
  if (measure) offerConsent(player, measure.consent !== false);
}

function titleOf(urls: readonly string[]): string {
  const { app, stream } = streamOf(new URL(urls[0] ?? '', location.href));
  return `${app}/${stream}`;
}

/** Was written into the page by the server, so that no request stands before the first frame. */
function config(): PageConfig {
  const inline = byId('config').textContent ?? '';
  return inline.trim() === '' ? { measure: null } : (JSON.parse(inline) as PageConfig);
}

function measuring({ measure }: PageConfig): MeasuringOptions | undefined {
  if (!measure) return undefined;
  // `:port/path` is another port of the host the page came from.
  const url = measure.url.startsWith(':') ? `${location.protocol}//${location.hostname}${measure.url}` : measure.url;
  const refused = remembered() === 'no' || navigator.doNotTrack === '1';
  return {
    url: new URL(url, location.href).href,
    apiKey: measure.apiKey,
    samplingRate: measure.samplingRate,
    consent: !refused,
  };
}

function offerConsent(player: AttachedPlayer, given: boolean): void {
  const box = byId<HTMLInputElement>('consent');
  byId('consent-row').hidden = false;
  box.checked = given;
  box.ariaChecked = String(given);
  box.addEventListener('change', () => {
    box.ariaChecked = String(box.checked);
    remember(box.checked ? 'yes' : 'no');
    player.setConsent(box.checked);
  });
}

/** What was chosen on an earlier visit; nothing where the browser forbids storage, as in some frames. */
function remembered(): string | null {
  try {
    return localStorage.getItem(CONSENT_KEY);
  } catch {
    return null;
  }
}

function remember(choice: 'yes' | 'no'): void {
  try {
    localStorage.setItem(CONSENT_KEY, choice);
  } catch {
    // Storage is forbidden: the choice lasts as long as the page.
  }
}

/** No stream was named, or by no address: the page asks for one. */
function ask(): void {
  const wrong = query.get('url');
  if (wrong !== null) byId('wrong').textContent = `“${wrong}” is no address of a stream.`;
  byId('ask').hidden = false;
  byId('stream').focus();
}
