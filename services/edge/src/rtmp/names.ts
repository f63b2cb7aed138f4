/** What is asked for in `connect`, `publish` and `play`: app, stream name and query, out of the many ways clients write them. */

/** A stream as a client names it. */
export interface StreamName {
  app: string;
  name: string;
  /** Parameters behind a `?` in the app or the stream name; the stream name's win. */
  query: URLSearchParams;
}

const MAX_NAME_BYTES = 255;

/**
 * `app` of connect and the name of publish or play → app, name, query; undefined when no stream can have that name.
 * The app is the first segment; what follows it belongs to the name (`rtmp://host/live/room` with key `x` is `live` and
 * `room/x`). Empty, over-long names, control characters, and segments that are empty, `.` or `..` are refused.
 */
export function parseStreamName(app: string, name: string): StreamName | undefined {
  const [appPath, appQuery] = splitQuery(app);
  const [namePath, nameQuery] = splitQuery(name);
  const segments = `${trimSlashes(appPath)}/${trimSlashes(namePath)}`.split('/');
  if (segments.length < 2 || trimSlashes(namePath) === '' || !segments.every(isSegment)) return undefined;
  const [first = '', ...rest] = segments;
  const stream = rest.join('/');
  if (Buffer.byteLength(first) > MAX_NAME_BYTES || Buffer.byteLength(stream) > MAX_NAME_BYTES) return undefined;
  const query = new URLSearchParams(appQuery);
  for (const [key, value] of new URLSearchParams(nameQuery)) query.set(key, value);
  return { app: first, name: stream, query };
}

/** The app of a connect command, as it is known before a stream is named, with its parameters. */
export function parseApp(app: string): { app: string; query: URLSearchParams } {
  const [path, query] = splitQuery(app);
  return { app: trimSlashes(path).split('/', 1)[0] ?? '', query: new URLSearchParams(query) };
}

/** An RTMP URL in parts. */
export interface RtmpUrl {
  /** `rtmps:`: RTMP within TLS. */
  secure: boolean;
  host: string;
  port: number;
  app: string;
  /** Name with its query, as sent in publish and play. */
  name: string;
}

/** Ports where a URL names none. RTMPS has no registered one; encoders and platforms take that of HTTPS. */
const DEFAULT_PORT: Record<string, number> = { 'rtmp:': 1_935, 'rtmps:': 443 };

/** `rtmp[s]://host[:port]/app/name[?query]` in parts, or undefined when it is not one. */
export function parseRtmpUrl(url: string): RtmpUrl | undefined {
  if (!URL.canParse(url)) return undefined;
  const parsed = new URL(url);
  const [app = '', ...rest] = parsed.pathname.slice(1).split('/').map(decodeSegment);
  const defaultPort = DEFAULT_PORT[parsed.protocol];
  if (defaultPort === undefined || parsed.hostname === '' || app === '' || rest.join('/') === '') return undefined;
  const secure = parsed.protocol === 'rtmps:';
  const host = parsed.hostname.replace(/^\[|\]$/g, '');
  return { secure, host, port: Number(parsed.port || defaultPort), app, name: rest.join('/') + parsed.search };
}

/** `app/name`, the name of a stream everywhere past the protocol. */
export function streamKey(stream: { app: string; name: string }): string {
  return `${stream.app}/${stream.name}`;
}

function splitQuery(text: string): [string, string] {
  const at = text.indexOf('?');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

function trimSlashes(text: string): string {
  return text.replace(/^\/+|\/+$/g, '');
}

function isSegment(segment: string): boolean {
  return segment !== '' && segment !== '.' && segment !== '..' && !/\p{Cc}/u.test(segment);
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
