/**
 * An RTMP listener: takes sockets, refuses what does not fit, gives each its session. The same for the public port and
 * the relay port; they differ in their host and in what counts against the limit.
 */
import type { Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import type { CloseReason } from '@weir/contracts/events';
import { listen } from '@weir/contracts/listen';
import type { Logger } from '@weir/contracts/logger';
import type { Protocol } from './protocol.ts';
import { RtmpSession } from './session.ts';
import type { SessionHost } from './session-host.ts';

/** Options of {@link startRtmpServer}. */
export interface RtmpServerOptions {
  host: string;
  port: number;
  /** Configuration key of the port, for the error when it is taken. */
  portKey: string;
  protocol: Protocol;
  sessionHost: SessionHost;
  chunkSizeBytes: number;
  maxMessageBytes: number;
  handshakeTimeoutMs: number;
  encoding: 'rtmp' | 'relay';
  /** Sockets at most; further ones are cut at once, without an answer. */
  maxConnections: number;
  /** Takes a place for the client; a sentence when there is none. Absent: no limit. */
  admit?: (socket: Socket) => string | undefined;
  /** A connection ended without a role. */
  onRefused: (reason: CloseReason) => void;
  logger: Logger;
}

/** A running listener. */
export interface RtmpServer {
  readonly port: number;
  /** Stops taking connections; the sessions go on. */
  stopListening(): void;
  /** Tells every session and closes. Resolves when all sockets are closed. */
  close(reason: CloseReason): Promise<void>;
}

/** Starts listening. @throws WeirError `EDGE_PORT_TAKEN` and what else the system answers. */
export async function startRtmpServer(options: RtmpServerOptions): Promise<RtmpServer> {
  const sessions = new Map<Socket, RtmpSession>();
  const server: Server = createServer({ noDelay: true, allowHalfOpen: false }, (socket) => {
    const full = options.admit?.(socket);
    const session = new RtmpSession({
      socket,
      protocol: options.protocol,
      host: options.sessionHost,
      chunkSizeBytes: options.chunkSizeBytes,
      maxMessageBytes: options.maxMessageBytes,
      handshakeTimeoutMs: options.handshakeTimeoutMs,
      encoding: options.encoding,
      full,
      onRefused: options.onRefused,
      onBug: (error) => options.logger.error({ err: error }, 'a session ended by an error of ours'),
    });
    sessions.set(socket, session);
    socket.once('close', () => sessions.delete(socket));
  });
  server.maxConnections = options.maxConnections;
  server.on('drop', () => options.onRefused('limit'));
  const port = await listen(server, { host: options.host, port: options.port, key: options.portKey, part: 'EDGE' });
  return {
    port,
    stopListening: () => void server.close(),
    async close(reason) {
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      for (const session of sessions.values()) session.close(reason);
      await closed;
    },
  };
}
