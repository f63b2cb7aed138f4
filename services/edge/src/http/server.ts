/**
 * The HTTP listener: streams for viewers (http/flv.ts), the player (http/player-route.ts), and what machines ask: is it alive, does it take clients, what
 * streams has it. Read-only; whatever changes something belongs on an admin port.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { CloseReason, Protocol as ConnectionProtocol } from '@weir/contracts/events';
import { listen } from '@weir/contracts/listen';
import { WebSocketServer } from 'ws';
import type { HlsRoute } from '../hls/hls-route.ts';
import type { Protocol } from '../rtmp/protocol.ts';
import type { Streams } from '../stream/streams.ts';
import { CORS_HEADERS, type FlvOptions, parseFlvPath, refusal, serveHttpFlv, serveWebSocketFlv } from './flv.ts';
import type { PlayerRoute } from './player-route.ts';

/** Options of {@link startHttpServer}. */
export interface HttpServerOptions {
  /** Name of this node. */
  node: string;
  host: string;
  port: number;
  /** Takes requests for the player; undefined = this node serves none. */
  player: PlayerRoute | undefined;
  /** Takes requests for HLS; undefined = this node serves none. */
  hls: HlsRoute | undefined;
  /** Sockets at most; further ones are cut at once, without an answer. */
  maxConnections: number;
  streams: Streams;
  protocol: Protocol;
  /** Takes a place for a viewer; a sentence when there is none. */
  admit: (socket: Socket) => string | undefined;
  onRefused: (protocol: ConnectionProtocol, reason: CloseReason) => void;
  /** What keeps the node from taking clients, empty when nothing does. */
  notReady: () => string[];
}

/** A running HTTP listener. */
export interface HttpServer {
  readonly port: number;
  /** Closes it and all its connections; the streams' viewers are told by the streams. */
  close(): Promise<void>;
}

/** A client's frames are of no use to us; one this large is an attack. */
const MAX_CLIENT_FRAME_BYTES = 4_096;
const REQUEST_TIMEOUT_MS = 10_000;

/** Starts listening. @throws WeirError `EDGE_PORT_TAKEN` and what else the system answers. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { node, player, hls, streams, protocol, admit, onRefused, notReady } = options;
  const flv: FlvOptions = { node, streams, protocol, onRefused };
  const webSockets = new WebSocketServer({ noServer: true, maxPayload: MAX_CLIENT_FRAME_BYTES });
  const server = createServer({ noDelay: true, requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    const name = parseFlvPath(request.url ?? '');
    if (name && request.method === 'GET') {
      const full = admit(request.socket);
      if (full === undefined) serveHttpFlv(name, request, flv);
      else {
        onRefused('http-flv', 'limit');
        answer(response, 503, { error: 'limit', message: full });
      }
    } else if (!player?.(request, response) && !hls?.handle(request, response))
      answerMachine(request, response, streams, notReady);
  });
  server.maxConnections = options.maxConnections;
  server.on('drop', () => onRefused('http-flv', 'limit'));
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    // Everybody who upgrades is a stranger: an error on their socket is theirs alone.
    socket.on('error', () => socket.destroy());
    const name = parseFlvPath(request.url ?? '');
    const full = name ? admit(socket) : undefined;
    if (!name) socket.end(refusal('404 Not Found', 'stream-not-found'));
    else if (full !== undefined) {
      onRefused('ws-flv', 'limit');
      socket.end(refusal('503 Service Unavailable', 'limit'));
    } else {
      webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        webSocket.on('error', () => webSocket.terminate());
        serveWebSocketFlv(name, request, socket, flv);
      });
    }
  });
  const port = await listen(server, { host: options.host, port: options.port, key: 'http.port', part: 'EDGE' });
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        webSockets.close();
        server.close(() => resolve());
        server.closeIdleConnections();
        setTimeout(() => server.closeAllConnections(), 100).unref();
      }),
  };
}

function answerMachine(
  request: IncomingMessage,
  response: ServerResponse,
  streams: Streams,
  notReady: () => string[],
): void {
  const { method = '', url = '' } = request;
  const [path] = url.split('?', 1);
  if (method === 'OPTIONS') {
    response.writeHead(204, CORS_HEADERS).end();
  } else if (method !== 'GET' && method !== 'HEAD') {
    answer(response, 405, { error: 'method-not-allowed' });
  } else if (path === '/healthz') {
    answer(response, 200, { status: 'ok' });
  } else if (path === '/readyz') {
    const reasons = notReady();
    answer(response, reasons.length === 0 ? 200 : 503, { ready: reasons.length === 0, reasons });
  } else if (path === '/streams') {
    answer(response, 200, { streams: streams.snapshot() });
  } else answer(response, 404, { error: 'not-found' });
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { ...CORS_HEADERS, 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
  response.end(`${JSON.stringify(body)}\n`);
}
