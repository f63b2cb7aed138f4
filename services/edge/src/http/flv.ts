/**
 * Viewers over HTTP: `GET /app/name.flv`, and the same path as WebSocket. After the answer's head the hub writes to the
 * socket itself, one shared buffer per merge window, as it does for RTMP.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { CloseReason, Protocol as ConnectionProtocol } from '@weir/contracts/events';
import { VIEWER_INFO_TAG, VIEWER_QUERY, type ViewerInfo } from '@weir/contracts/viewer';
import type { Grant } from '../access/access.ts';
import { httpStatus } from '../access/http-gate.ts';
import { encodeAmf } from '../rtmp/amf0.ts';
import { parseStreamName, type StreamName } from '../rtmp/names.ts';
import type { Protocol } from '../rtmp/protocol.ts';
import type { Playback } from '../rtmp/session-host.ts';
import { webSocketFrame } from '../stream/encoding.ts';
import { DATA } from '../stream/media.ts';
import type { Streams } from '../stream/streams.ts';
import type { Served, ViewerTransport } from '../stream/viewer.ts';

/** Allows pages of any origin to read the stream. */
export const CORS_HEADERS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Methods': 'GET, HEAD, OPTIONS',
  'Access-Control-Allow-Headers': '*',
  'Access-Control-Expose-Headers': '*',
} as const;

const HEAD = [
  'HTTP/1.1 200 OK',
  'Content-Type: video/x-flv',
  'Cache-Control: no-store',
  'Connection: close',
  ...Object.entries(CORS_HEADERS).map(([name, value]) => `${name}: ${value}`),
  '',
  '',
].join('\r\n');

/** The stream a path asks for (`/app/name.flv?query`), or undefined when it asks for none. */
export function parseFlvPath(url: string): StreamName | undefined {
  const [path = '', query = ''] = url.split('?', 2);
  if (!path.endsWith('.flv')) return undefined;
  let decoded: string;
  try {
    decoded = decodeURIComponent(path.slice(1, -'.flv'.length));
  } catch {
    return undefined;
  }
  const at = decoded.indexOf('/');
  if (at <= 0 || decoded.includes('?')) return undefined;
  return parseStreamName(decoded.slice(0, at), `${decoded.slice(at + 1)}${query === '' ? '' : `?${query}`}`);
}

/** What both ways of serving FLV need. */
export interface FlvOptions {
  /** Name of this node. */
  node: string;
  streams: Streams;
  protocol: Protocol;
  /** A viewer left before its stream began. */
  onRefused: (protocol: ConnectionProtocol, reason: CloseReason) => void;
}

/** How one way ends without media, and after it. */
interface FlvWire {
  protocol: 'http-flv' | 'ws-flv';
  encoding: 'flv' | 'ws-flv';
  /** Bytes before the first media. */
  begin(flvHeader: Buffer): Buffer | string;
  /** Bytes instead of media, when the stream never began; and after the media. */
  refuse(reason: CloseReason): Buffer | string;
  goodbye(reason: CloseReason): Buffer | string;
}

/** Serves a GET on its raw socket; ends `grant` when it is over. */
export function serveHttpFlv(name: StreamName, request: IncomingMessage, grant: Grant, options: FlvOptions): void {
  serve(name, request, request.socket, grant, options, {
    protocol: 'http-flv',
    encoding: 'flv',
    begin: (header) => Buffer.concat([Buffer.from(HEAD, 'latin1'), header]),
    refuse: (reason) => refusal(httpStatus(reason), reason),
    goodbye: () => '',
  });
}

/** Serves an accepted WebSocket on its raw socket, the same way; frames from the client are ignored by the caller. */
export function serveWebSocketFlv(
  name: StreamName,
  request: IncomingMessage,
  socket: Socket,
  grant: Grant,
  options: FlvOptions,
): void {
  serve(name, request, socket, grant, options, {
    protocol: 'ws-flv',
    encoding: 'ws-flv',
    begin: (header) => webSocketFrame([header], header.length),
    refuse: (reason) => closeFrame(reason === 'stream-not-found' ? 4_404 : TRY_AGAIN_LATER, reason),
    goodbye: (reason) => closeFrame(GOODBYE[reason] ?? NORMAL, reason),
  });
}

const LAST_WORDS_MS = 2_000;

// Close codes of WebSocket (RFC 6455 §7.4.1 and IANA's registry): what a player may make of the end.
const NORMAL = 1_000;
const POLICY = 1_008;
const SERVICE_RESTART = 1_012;
const TRY_AGAIN_LATER = 1_013;
const GOODBYE: Partial<Record<CloseReason, number>> = {
  shutdown: SERVICE_RESTART,
  draining: SERVICE_RESTART,
  'app-limit': TRY_AGAIN_LATER,
  kicked: POLICY,
};

function serve(
  name: StreamName,
  request: IncomingMessage,
  socket: Socket,
  grant: Grant,
  options: FlvOptions,
  wire: FlvWire,
): void {
  let began = false;
  let ending: CloseReason | undefined;
  socket.setNoDelay(true);
  socket.setTimeout(0);
  const transport: ViewerTransport = {
    socket,
    encoding: wire.encoding,
    begin({ hasAudio, hasVideo }, served) {
      began = true;
      const header = options.protocol.flvHeader(hasAudio, hasVideo);
      const wantsInfo = name.query.get(VIEWER_QUERY.info) === '1';
      socket.write(wire.begin(served && wantsInfo ? Buffer.concat([header, infoTag(served, options)]) : header));
    },
    end(reason) {
      if (ending) return;
      ending = reason;
      if (reason === 'slow-viewer') socket.destroy();
      else {
        socket.end(began ? wire.goodbye(reason) : wire.refuse(reason));
        setTimeout(() => socket.destroy(), LAST_WORDS_MS).unref();
      }
    },
  };
  const client = { socket, userAgent: request.headers['user-agent'] ?? '' };
  const playback: Playback = options.streams.play(name, client, transport, wire.protocol);
  grant.onWithdrawn = (reason) => {
    // Nothing may be written behind its last words.
    playback.end(reason);
    transport.end(reason);
  };
  let finished = false;
  const finish = (reason: CloseReason) => {
    if (finished) return;
    finished = true;
    playback.end(ending ?? reason);
    grant.end(ending ?? reason);
    if (!began) options.onRefused(wire.protocol, ending ?? reason);
    socket.destroy();
  };
  socket.on('error', () => finish('client-reset'));
  socket.on('close', () => finish('client-closed'));
  if (socket.destroyed) finish('client-closed');
}

/** Tells the player which edge serves it, and what its clock says about the stream. */
function infoTag({ connection, timestampMs }: Served, { node, protocol }: FlvOptions): Buffer {
  const info: ViewerInfo = { node, connection, serverTimeMs: Date.now(), timestampMs };
  return protocol.flvTag(DATA, 0, encodeAmf(VIEWER_INFO_TAG, { ...info }));
}

/** A whole HTTP answer that says why there is no stream, in a word for programs and a sentence for people. */
export function refusal(status: string, reason: string, message?: string): string {
  const body = `${JSON.stringify({ error: reason, message })}\n`;
  const cors = Object.entries(CORS_HEADERS).map(([name, value]) => `${name}: ${value}`);
  const head = ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`, 'Connection: close'];
  return [`HTTP/1.1 ${status}`, ...head, ...cors, '', body].join('\r\n');
}

/** A WebSocket close frame (RFC 6455 §5.5.1). */
function closeFrame(code: number, reason: string): Buffer {
  const frame = Buffer.alloc(4 + reason.length);
  frame[0] = 0x88;
  frame[1] = 2 + reason.length;
  frame.writeUInt16BE(code, 2);
  frame.write(reason, 4, 'latin1');
  return frame;
}
