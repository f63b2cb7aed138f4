/**
 * The listeners for clients: RTMP and HTTP, and RTMPS and HTTPS beside them when the node has a certificate. All share one
 * access and one set of streams. Before it: main.ts; after it: sessions and viewers.
 */
import type { Config } from '@weir/contracts/config/schema';
import type { CloseReason } from '@weir/contracts/events';
import type { Logger } from '@weir/contracts/logger';
import type { Admission } from './access/access.ts';
import { guardedHost } from './access/guarded-host.ts';
import type { HlsRoute } from './hls/hls-route.ts';
import type { PlayerRoute } from './http/player-route.ts';
import { type HttpServer, startHttpServer } from './http/server.ts';
import type { Protocol } from './rtmp/protocol.ts';
import type { ReconnectRequest } from './rtmp/reconnect.ts';
import { type RtmpServer, startRtmpServer } from './rtmp/server.ts';
import type { Connections } from './stream/connections.ts';
import type { Streams } from './stream/streams.ts';
import type { Certificate } from './tls/certificate.ts';

/** Options of {@link startListeners}. */
export interface ListenersOptions {
  config: Pick<Config, 'rtmp' | 'http' | 'hls'>;
  /** Name of this node. */
  node: string;
  access: Admission;
  streams: Streams;
  connections: Connections;
  protocol: Protocol;
  /** RTMPS and HTTPS with this one; undefined = neither. */
  certificate: Certificate | undefined;
  player: PlayerRoute | undefined;
  hls: HlsRoute | undefined;
  /** What keeps the node from taking clients, empty when nothing does. */
  notReady: () => string[];
  /** 0 (takes nothing more) to 100 (idle). */
  weight: () => number;
  logger: Logger;
}

/** The running listeners, with the ports they got. */
export interface Listeners {
  readonly ports: { rtmp: number; http: number; rtmps?: number; https?: number };
  /** Asks RTMP clients that know how to connect anew; returns how many. */
  askToReconnect(request: ReconnectRequest): Promise<number>;
  /** Another configuration is in force. */
  configure(config: Readonly<Config>): void;
  /** Tells every session and closes. */
  close(reason: CloseReason): Promise<void>;
}

/** Connections over the limit that are kept long enough to be told so. */
const MAX_REFUSALS = 256;
/** A player of HLS asks for playlist, part and next part at once; its place is one all the same. */
const SOCKETS_PER_HLS_VIEWER = 3;

/** Sockets an HTTP listener takes for so many connections: its viewers by HLS may have several each. */
export function httpSockets(connections: number, { hls }: Pick<Config, 'hls'>): number {
  return connections * (hls.segmentMs > 0 ? SOCKETS_PER_HLS_VIEWER : 1) + MAX_REFUSALS;
}

/** Starts them all, or none. @throws WeirError `EDGE_PORT_TAKEN` and what else the system answers. */
export async function startListeners(options: ListenersOptions): Promise<Listeners> {
  const { config, access, streams, connections, protocol, certificate, logger } = options;
  const { chunkSizeBytes, maxMessageBytes, handshakeTimeoutMs } = config.rtmp;
  const maxConnections = connections.limit + MAX_REFUSALS;
  const rtmps: RtmpServer[] = [];
  const https: HttpServer[] = [];
  const close = async (reason: CloseReason) => {
    await Promise.all([...rtmps.map((server) => server.close(reason)), ...https.map((server) => server.close())]);
  };
  const rtmp = async (named: 'rtmp' | 'rtmps', port: number, portKey: string) => {
    const server = await startRtmpServer({
      host: config.rtmp.host,
      port,
      portKey,
      certificate: named === 'rtmps' ? certificate : undefined,
      chunkSizeBytes,
      maxMessageBytes,
      handshakeTimeoutMs,
      protocol,
      maxConnections,
      encoding: 'rtmp',
      sessionHost: guardedHost({ access, streams, protocol: named }),
      admit: (socket) => access.admit(socket),
      onRefused: (reason) => connections.refuse(named, reason),
      logger,
    });
    rtmps.push(server);
    return server.port;
  };
  const http = async (secure: boolean, port: number, portKey: string) => {
    const server = await startHttpServer({
      node: options.node,
      host: config.http.host,
      port,
      portKey,
      certificate: secure ? certificate : undefined,
      player: options.player,
      hls: options.hls,
      maxConnections: httpSockets(connections.limit, config),
      streams,
      protocol,
      access,
      onRefused: (ofProtocol, reason) => connections.refuse(ofProtocol, reason),
      notReady: options.notReady,
      weight: options.weight,
    });
    https.push(server);
    return server.port;
  };
  try {
    const ports: Listeners['ports'] = {
      rtmp: await rtmp('rtmp', config.rtmp.port, 'rtmp.port'),
      http: await http(false, config.http.port, 'http.port'),
    };
    if (certificate) {
      ports.rtmps = await rtmp('rtmps', config.rtmp.tlsPort, 'rtmp.tlsPort');
      ports.https = await http(true, config.http.tlsPort, 'http.tlsPort');
    }
    return {
      ports,
      askToReconnect: async (request) => rtmps.reduce((told, server) => told + server.askToReconnect(request), 0),
      configure({ limits, hls }) {
        // As many sockets as the limit, and some to be refused with words.
        for (const server of rtmps) server.setMaxConnections(limits.connections + MAX_REFUSALS);
        for (const server of https) server.setMaxConnections(httpSockets(limits.connections, { hls }));
      },
      close,
    };
  } catch (error) {
    await close('shutdown');
    throw error;
  }
}
