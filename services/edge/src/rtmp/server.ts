/**
 * An RTMP listener: takes sockets, refuses what does not fit, gives each its session. The same for the public port and
 * the relay port; they differ in their host and in what counts against the limit.
 */
import type { Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import { createServer as createSecureServer } from 'node:tls';
import type { CloseReason } from '@weir/contracts/events';
import { listen } from '@weir/contracts/listen';
import type { Logger } from '@weir/contracts/logger';
import type { Refusal } from '../access/check.ts';
import { type Certificate, handshakeRefusal } from '../tls/certificate.ts';
import type { Protocol } from './protocol.ts';
import type { ReconnectRequest } from './reconnect.ts';
import { RtmpSession } from './session.ts';
import type { SessionHost } from './session-host.ts';

/** Options of {@link startRtmpServer}. */
export interface RtmpServerOptions {
  host: string;
  port: number;
  /** Configuration key of the port, for the error when it is taken. */
  portKey: string;
  /** RTMPS with this certificate. Absent: RTMP. */
  certificate?: Certificate | undefined;
  protocol: Protocol;
  sessionHost: SessionHost;
  chunkSizeBytes: number;
  maxMessageBytes: number;
  handshakeTimeoutMs: number;
  encoding: 'rtmp' | 'relay';
  /** Sockets at most; further ones are cut at once, without an answer. */
  maxConnections: number;
  /** Takes a place for the client, or says why it gets none. Absent: no limit. */
  admit?: (socket: Socket) => Refusal | undefined;
  /** A connection ended without a role. */
  onRefused: (reason: CloseReason) => void;
  logger: Logger;
}

/** A running listener. */
export interface RtmpServer {
  readonly port: number;
  /** Stops taking connections; the sessions go on. */
  stopListening(): void;
  /** Asks the clients that know how to connect anew; returns how many. */
  askToReconnect(request: ReconnectRequest): number;
  /** Sockets at most from now on. */
  setMaxConnections(maxConnections: number): void;
  /** Tells every session and closes. Resolves when all sockets are closed. */
  close(reason: CloseReason): Promise<void>;
}

/** Whoever has not got through the TLS handshake by then is cut when the listener closes. */
const LAST_WORDS_MS = 2_000;

/** Starts listening. @throws WeirError `EDGE_PORT_TAKEN` and what else the system answers. */
export async function startRtmpServer(options: RtmpServerOptions): Promise<RtmpServer> {
  const sessions = new Map<Socket, RtmpSession>();
  /** RTMPS: the sockets below the sessions, those included that never got through the TLS handshake. */
  const raw = new Set<Socket>();
  const { certificate, handshakeTimeoutMs } = options;
  const takeClient = (socket: Socket) => {
    const refusal = options.admit?.(socket);
    const session = new RtmpSession({
      socket,
      protocol: options.protocol,
      host: options.sessionHost,
      chunkSizeBytes: options.chunkSizeBytes,
      maxMessageBytes: options.maxMessageBytes,
      handshakeTimeoutMs,
      encoding: options.encoding,
      refusal,
      onRefused: options.onRefused,
      onBug: (error) => options.logger.error({ err: error }, 'a session ended by an error of ours'),
    });
    sessions.set(socket, session);
    socket.once('close', () => sessions.delete(socket));
  };
  const settings = { noDelay: true, allowHalfOpen: false };
  let server: Server;
  if (certificate) {
    const secure = createSecureServer({ ...settings, ...certificate.context, handshakeTimeout: handshakeTimeoutMs });
    certificate.attach(secure);
    secure.on('connection', (socket: Socket) => {
      raw.add(socket);
      socket.once('close', () => raw.delete(socket));
    });
    secure.on('tlsClientError', (error, socket) => {
      options.onRefused(handshakeRefusal(error));
      // Node leaves that to us.
      socket.destroy();
    });
    server = secure.on('secureConnection', takeClient);
  } else server = createServer(settings, takeClient);
  server.maxConnections = options.maxConnections;
  server.on('drop', () => options.onRefused('limit'));
  const port = await listen(server, { host: options.host, port: options.port, key: options.portKey, part: 'EDGE' });
  return {
    port,
    stopListening: () => void server.close(),
    askToReconnect: (request) =>
      [...sessions.values()].filter((session, turn) => session.askToReconnect(request, turn)).length,
    setMaxConnections(maxConnections) {
      server.maxConnections = maxConnections;
    },
    async close(reason) {
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      for (const session of sessions.values()) session.close(reason);
      const cut = () => {
        for (const socket of raw) socket.destroy();
      };
      if (raw.size > sessions.size) setTimeout(cut, LAST_WORDS_MS).unref();
      await closed;
    },
  };
}
