/**
 * The HTTP listener: streams for viewers (http/flv.ts), the player (http/player-route.ts), and what machines ask: is it alive, does it take clients, what
 * streams has it. Read-only; whatever changes something belongs on an admin port.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import type { CloseReason, Protocol as ConnectionProtocol } from '@weir/contracts/events';
import { listen } from '@weir/contracts/listen';
import { WebSocketServer } from 'ws';
import type { Admission, Grant } from '../access/access.ts';
import type { Refusal } from '../access/check.ts';
import { httpStatus, openGate } from '../access/http-gate.ts';
import type { HlsRoute } from '../hls/hls-route.ts';
import type { StreamName } from '../rtmp/names.ts';
import type { Protocol } from '../rtmp/protocol.ts';
import type { Streams } from '../stream/streams.ts';
import { type Certificate, handshakeRefusal } from '../tls/certificate.ts';
import { CORS_HEADERS, type FlvOptions, parseFlvPath, refusal, serveHttpFlv, serveWebSocketFlv } from './flv.ts';
import type { PlayerRoute } from './player-route.ts';

/** Options of {@link startHttpServer}. */
export interface HttpServerOptions {
  /** Name of this node. */
  node: string;
  host: string;
  port: number;
  /** Configuration key of the port, for the error when it is taken. */
  portKey: string;
  /** HTTPS with this certificate; undefined = HTTP. */
  certificate: Certificate | undefined;
  /** Takes requests for the player; undefined = this node serves none. */
  player: PlayerRoute | undefined;
  /** Takes requests for HLS; undefined = this node serves none. */
  hls: HlsRoute | undefined;
  /** Sockets at most; further ones are cut at once, without an answer. */
  maxConnections: number;
  streams: Streams;
  protocol: Protocol;
  /** Says who may in. */
  access: Admission;
  onRefused: (protocol: ConnectionProtocol, reason: CloseReason) => void;
  /** What keeps the node from taking clients, empty when nothing does. */
  notReady: () => string[];
  /** What load balancers go by: 0 (takes nothing more) to 100 (idle). */
  weight: () => number;
}

/** A running HTTP listener. */
export interface HttpServer {
  readonly port: number;
  /** Sockets at most from now on. */
  setMaxConnections(maxConnections: number): void;
  /** Closes it and all its connections; the streams' viewers are told by the streams. */
  close(): Promise<void>;
}

/** A client's frames are of no use to us; one this large is an attack. */
const MAX_CLIENT_FRAME_BYTES = 4_096;
const REQUEST_TIMEOUT_MS = 10_000;

/** Starts listening. @throws WeirError `EDGE_PORT_TAKEN` and what else the system answers. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { node, player, hls, streams, protocol, access, certificate, onRefused, notReady, weight } = options;
  const flv: FlvOptions = { node, streams, protocol, onRefused };
  // A socket that has a stream is the stream's: what else a client sends on it has no meaning.
  const taken = new WeakSet<Socket>();
  const webSockets = new WebSocketServer({ noServer: true, maxPayload: MAX_CLIENT_FRAME_BYTES });
  const gate = async (
    name: StreamName,
    request: IncomingMessage,
    protocolName: 'http-flv' | 'ws-flv',
    serve: (grant: Grant) => void,
  ) => {
    const { socket } = request;
    const userAgent = request.headers['user-agent'] ?? '';
    const granted: Grant | Refusal = taken.has(socket)
      ? { refused: 'protocol-error', description: 'One stream at a time on a connection.' }
      : await openGate(access, { name, socket, protocol: protocolName, userAgent });
    if ('refused' in granted) {
      onRefused(protocolName, granted.refused);
      socket.end(refusal(httpStatus(granted.refused), granted.refused, granted.description));
      return;
    }
    taken.add(socket);
    serve(granted);
  };
  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    const name = parseFlvPath(request.url ?? '');
    // Whoever asks again does so over a new connection, which load balancers lead elsewhere.
    if (notReady().includes('draining')) response.shouldKeepAlive = false;
    if (name && request.method === 'GET') {
      void gate(name, request, 'http-flv', (grant) => serveHttpFlv(name, request, grant, flv));
    } else if (name && request.method !== 'OPTIONS') {
      // Whether there is such a stream only a GET can tell: it may have to be looked for on other nodes.
      answer(response, 405, { error: 'method-not-allowed' }, { Allow: 'GET, OPTIONS' });
    } else if (!player?.(request, response) && !hls?.handle(request, response))
      answerMachine(request, response, { streams, notReady, weight });
  };
  const settings = { noDelay: true, requestTimeout: REQUEST_TIMEOUT_MS };
  const server = certificate
    ? createSecureServer({ ...settings, ...certificate.context }, onRequest)
    : createServer(settings, onRequest);
  if (server instanceof TlsServer) {
    certificate?.attach(server);
    server.on('tlsClientError', (error, socket) => {
      onRefused('http-flv', handshakeRefusal(error));
      // Node leaves that to us.
      socket.destroy();
    });
  }
  // A load balancer's check connects, says nothing and goes.
  server.on(certificate ? 'secureConnection' : 'connection', (socket: Socket) => {
    socket.once('close', () => {
      if (socket.bytesRead === 0) onRefused('http-flv', 'silent');
    });
  });
  server.maxConnections = options.maxConnections;
  server.on('drop', () => onRefused('http-flv', 'limit'));
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    // Everybody who upgrades is a stranger: an error on their socket is theirs alone.
    socket.on('error', () => socket.destroy());
    const name = parseFlvPath(request.url ?? '');
    if (!name) {
      socket.end(refusal('404 Not Found', 'stream-not-found'));
      return;
    }
    void gate(name, request, 'ws-flv', (grant) => {
      if (socket.destroyed) {
        grant.end('client-closed');
        return;
      }
      let isServed = false;
      webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        isServed = true;
        webSocket.on('error', () => webSocket.terminate());
        serveWebSocketFlv(name, request, socket, grant, flv);
      });
      // What is no WebSocket after all has been answered by then.
      if (!isServed) grant.end('bad-handshake');
    });
  });
  const port = await listen(server, { host: options.host, port: options.port, key: options.portKey, part: 'EDGE' });
  return {
    port,
    setMaxConnections(maxConnections) {
      server.maxConnections = maxConnections;
    },
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
  { streams, notReady, weight }: Pick<HttpServerOptions, 'streams' | 'notReady' | 'weight'>,
): void {
  const { method = '', url = '' } = request;
  const [path] = url.split('?', 1);
  if (method === 'OPTIONS') {
    response.writeHead(204, CORS_HEADERS).end();
  } else if (method !== 'GET' && method !== 'HEAD') {
    answer(response, 405, { error: 'method-not-allowed' }, { Allow: CORS_HEADERS['Access-Control-Allow-Methods'] });
  } else if (path === '/healthz') {
    answer(response, 200, { status: 'ok' });
  } else if (path === '/readyz') {
    const reasons = notReady();
    answer(response, reasons.length === 0 ? 200 : 503, { ready: reasons.length === 0, reasons });
  } else if (path === '/weight') {
    answer(response, 200, { weight: weight() });
  } else if (path === '/streams') {
    answer(response, 200, { streams: streams.snapshot() });
  } else answer(response, 404, { error: 'not-found' });
}

function answer(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  response.writeHead(status, {
    ...headers,
    ...CORS_HEADERS,
    'Content-Type': 'application/json',
    'Cache-Control': 'no-store',
  });
  response.end(`${JSON.stringify(body)}\n`);
}
