/**
 * Serves the browser player at `/player/`. The node knows nothing of how it is made: whoever starts the node hands in how
 * to get the files, and they are asked for when the first viewer comes. Before it: the HTTP listener.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** One file; its buffers are shared by all answers. */
export interface PlayerFile {
  contentType: string;
  body: Buffer;
  gzipped: Buffer;
  /** Strong, with quotes. */
  etag: string;
  /** May be cached for ever: its name changes with its content. */
  immutable: boolean;
}

/** Gives the files by their path under `/player/`, the page as ''. */
export type LoadPlayer = () => Promise<ReadonlyMap<string, PlayerFile>>;

/** Answers a request when it is for the player; false = it is not. */
export type PlayerRoute = (request: IncomingMessage, response: ServerResponse) => boolean;

const PREFIX = '/player';
const A_YEAR = 'public, max-age=31536000, immutable';
/** Names that stay are asked about each time, and answered with 304 by their ETag. */
const ASK_AGAIN = 'no-cache';

/** The route; `load` is called once, and again only after it failed (`onError` is told). */
export function playerRoute(load: LoadPlayer, onError: (error: unknown) => void): PlayerRoute {
  let files: ReturnType<LoadPlayer> | undefined;
  const loaded = () => {
    files ??= load().catch((error) => {
      files = undefined;
      throw error;
    });
    return files;
  };
  return (request, response) => {
    if (!request.url?.startsWith(PREFIX)) return false;
    const { pathname, search } = new URL(request.url, 'http://localhost');
    if (pathname !== PREFIX && !pathname.startsWith(`${PREFIX}/`)) return false;
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { Allow: 'GET, HEAD' }).end();
    } else if (pathname === PREFIX) {
      // Files are named relative to the page.
      response.writeHead(308, { Location: `player/${search}` }).end();
    } else {
      loaded().then(
        (all) => answer(request, response, all.get(pathname.slice(PREFIX.length + 1))),
        (error) => {
          onError(error);
          response.writeHead(500).end();
        },
      );
    }
    return true;
  };
}

function answer(request: IncomingMessage, response: ServerResponse, file: PlayerFile | undefined): void {
  if (!file) {
    response.writeHead(404).end();
    return;
  }
  const head = {
    'Cache-Control': file.immutable ? A_YEAR : ASK_AGAIN,
    ETag: file.etag,
    Vary: 'Accept-Encoding',
    'X-Content-Type-Options': 'nosniff',
    // Other pages embed the module.
    'Access-Control-Allow-Origin': '*',
  };
  if (request.headers['if-none-match']?.includes(file.etag)) {
    response.writeHead(304, head).end();
    return;
  }
  const packs = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
  const body = packs ? file.gzipped : file.body;
  response.writeHead(200, {
    ...head,
    'Content-Type': file.contentType,
    'Content-Length': body.length,
    ...(packs ? { 'Content-Encoding': 'gzip' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}
