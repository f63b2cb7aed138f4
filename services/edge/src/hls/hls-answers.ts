/**
 * Answers by HLS as they go out: playlist, file, refusal. A playlist is text, which node:http sends together with the head
 * in one write; files are the muxer's own buffers. Before it: hls-route.ts; after it: the client, or a cache in front.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Why a viewer may not watch, as HTTP says it. */
export interface HlsRefusal {
  status: number;
  /** A word for programs. */
  error: string;
  /** A sentence for people. */
  message?: string;
}

const PLAYLIST_TYPE = 'application/vnd.apple.mpegurl';
const FOR_EVER = 'public, max-age=3600, immutable';

/** Sends a playlist; `caching` is its Cache-Control. @returns bytes given. */
export function sendPlaylist(
  request: IncomingMessage,
  response: ServerResponse,
  playlist: string,
  caching: string,
): number {
  return send(request, response, 200, PLAYLIST_TYPE, caching, playlist);
}

/** Sends a file as the buffers it lies in, which are not copied. @returns bytes given. */
export function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  name: string,
  parts: readonly Buffer[],
): number {
  const type = name.endsWith('.mp4') ? 'video/mp4' : 'video/iso.segment';
  return send(request, response, 200, type, FOR_EVER, parts);
}

export function sendRefusal(request: IncomingMessage, response: ServerResponse, refusal: HlsRefusal): void {
  const { status, error, message } = refusal;
  const body = Buffer.from(`${JSON.stringify({ error, message })}\n`);
  send(request, response, status, 'application/json', 'no-store', [body]);
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  type: string,
  caching: string,
  body: string | readonly Buffer[],
): number {
  // Texts are of one byte a character: a query came so, all else is ASCII.
  const sizeBytes = typeof body === 'string' ? body.length : body.reduce((sum, part) => sum + part.length, 0);
  response.writeHead(status, {
    // All a page elsewhere needs: these are simple requests.
    'Access-Control-Allow-Origin': '*',
    'Content-Type': type,
    'Cache-Control': caching,
    'Content-Length': sizeBytes,
  });
  if (request.method === 'HEAD') {
    response.end();
    return 0;
  }
  if (typeof body === 'string') response.end(body, 'latin1');
  else {
    for (const part of body.slice(0, -1)) response.write(part);
    response.end(body.at(-1));
  }
  return sizeBytes;
}
