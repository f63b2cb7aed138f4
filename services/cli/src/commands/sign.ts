/** `weir sign`: a signed name for one stream and action, as a publisher or viewer is given it. Needs the key, no server. */
import { ConfigError } from '@weir/contracts/errors';
import { type SignedAction, signName } from '@weir/contracts/signed-name';
import type { CliCommand } from '../cli-command.ts';

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };
const MAX_SECONDS = 10 * 365 * 86_400;

export const sign: CliCommand = {
  description:
    'Sign a stream name: whoever has it may publish (or play) that stream until it expires. Signs with the first of ' +
    'access.signingKeys. An edge asks for it where access.publish (access.play) is "key".',
  sections: ['access'],
  examples: [
    ['weir sign publish live/demo --ttl 1h --access-signing-keys secret', 'live/demo?expires=…&signature=…'],
    ['weir sign play live/demo --url rtmp://127.0.0.1 --config edge-1.yaml', 'a whole URL, valid for a day'],
  ],
  define(command) {
    command.argument('<action>', 'publish or play');
    command.argument('<stream>', 'app/stream');
    command.option('--ttl <duration>', 'how long it is valid: 90s, 30m, 12h, 7d', '1d');
    command.option('--url <url>', 'put the URL of a server before it: rtmp://host, https://host:8443 (adds .flv)');
    command.option('--json', 'print name, query, URL and expiry as one line of JSON');
  },
  async run({ config: read, args, options }) {
    const [action = '', stream = ''] = args;
    const [key] = read().access.signingKeys;
    if (key === undefined) {
      throw new ConfigError('SIGN_NO_KEY', 'There is no key to sign with: set access.signingKeys as on the edges.');
    }
    const expires = Math.floor(Date.now() / 1_000) + ttlSeconds(String(options.ttl));
    const query = signName({ action: toAction(action), stream: toStream(stream), expires }, key);
    const name = `${stream}?${query}`;
    const url = typeof options.url === 'string' ? toUrl(options.url, stream, query) : undefined;
    if (options.json === true) {
      const result = { action, stream, query, url: url ?? null, expires: new Date(expires * 1_000).toISOString() };
      process.stdout.write(`${JSON.stringify(result)}\n`);
    } else process.stdout.write(`${url ?? name}\n`);
    return 0;
  },
};

function toAction(text: string): SignedAction {
  if (text === 'publish' || text === 'play') return text;
  throw new ConfigError('SIGN_ACTION', `"${text}" cannot be signed: write publish or play.`);
}

function toStream(text: string): string {
  const segments = text.split('/');
  const isName = segments.length >= 2 && segments.every((segment) => /^[^\p{Cc}?]+$/u.test(segment));
  if (isName && !segments.some((segment) => segment === '.' || segment === '..')) return text;
  throw new ConfigError('SIGN_STREAM', `"${text}" is no stream: write app/stream, for example live/demo.`);
}

function toUrl(base: string, stream: string, query: string): string {
  const { protocol } = URL.parse(base) ?? {};
  if (protocol === undefined || !/^(rtmps?|https?|wss?):$/.test(protocol)) {
    throw new ConfigError('SIGN_URL', `"${base}" is no rtmp, rtmps, http, https, ws or wss URL of a server.`);
  }
  const path = stream.split('/').map(encodeURIComponent).join('/');
  return `${base.replace(/\/+$/, '')}/${protocol.startsWith('rtmp') ? path : `${path}.flv`}?${query}`;
}

function ttlSeconds(text: string): number {
  const [, count = '', unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const seconds = Number(count) * (UNIT_SECONDS[unit] ?? 0);
  if (seconds >= 1 && seconds <= MAX_SECONDS) return seconds;
  throw new ConfigError(
    'SIGN_TTL',
    `--ttl is "${text}"; write a duration like 90s, 30m, 12h or 7d, at most ten years.`,
  );
}
