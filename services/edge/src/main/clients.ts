/**
 * Builds what clients of a node meet: who may in (access), the listeners, in this process or spread over workers, and HLS.
 * Before it: media.ts, whose streams they come for; after it: main.ts, which shows the node to the cluster.
 */

import { Bucket } from '@weir/contracts/nats/bucket';
import { BUCKET, NODE_LEASE_MS } from '@weir/contracts/nats/names';
import { Access, callerOf } from '../access/access.ts';
import type { Refusal } from '../access/check.ts';
import { httpStatus } from '../access/http-gate.ts';
import { admitLasting } from '../access/lasting-viewer.ts';
import { SharedUsage } from '../access/shared-usage.ts';
import type { HlsRefusal } from '../hls/hls-answers.ts';
import { HlsRoute } from '../hls/hls-route.ts';
import { type LoadPlayer, playerRoute } from '../http/player-route.ts';
import { startListeners } from '../listeners.ts';
import { Certificate } from '../tls/certificate.ts';
import { startCrew } from '../workers/crew.ts';
import { CrewBook } from '../workers/crew-book.ts';
import type { BuildOptions, Media } from './media.ts';

/** Options of {@link startClients}. */
export interface ClientsOptions extends BuildOptions {
  media: Media;
  player: LoadPlayer | undefined;
}

/** What {@link startClients} built. */
export type Clients = Awaited<ReturnType<typeof startClients>>;

/** @throws ConfigError of a part of access or TLS that cannot be used; WeirError `EDGE_PORT_TAKEN`. */
export async function startClients(options: ClientsOptions) {
  const { config, node, media, nats, observer, player, onClose, logger } = options;
  const { member, protocol, workers, connections, streams } = media;
  const others = new SharedUsage({
    node,
    bucket: new Bucket(nats, { name: BUCKET.usage, leaseMs: NODE_LEASE_MS, replicas: config.nats.replicas }, logger),
    logger,
  });
  const access = new Access({
    config,
    node,
    others,
    sentBytes: () => connections.sentByApp(),
    room(socket) {
      if (member.isDraining) {
        return { refused: 'draining', description: 'This node is going out of service: connect to another one.' };
      }
      if (connections.admit(socket)) return undefined;
      return { refused: 'limit', description: `This node is full (${connections.limit} connections).` };
    },
    streams: () => streams.traffic(),
    takesOver: ({ app, name, query }) => streams.givesWay({ app, name, query }),
    logger,
  });
  onClose(() => access.close());
  others.share(access.ownUsage);
  onClose(() => others.close());
  const certificate = config.tls.certFile === '' ? undefined : new Certificate(config.tls);
  const { segmentMs, partMs, segments, maxBytes } = config.hls;
  const hls = new HlsRoute({
    tap: (stream, tap) => streams.tap(stream, tap),
    node,
    enter: async (stream, request) => {
      const caller = callerOf(request.socket, 'hls', request.headers['user-agent'] ?? '');
      const granted = await admitLasting(access, { action: 'play', ...stream, ...caller });
      if (!('refused' in granted)) return granted;
      connections.refuse('hls', granted.refused);
      return hlsRefusal(granted);
    },
    isPublished: (stream) =>
      streams.get(stream)?.publisher !== undefined || member.directory.publisherOf(stream) !== undefined,
    connections,
    limits: { segmentMs, partMs, segments, maxBytes },
    notFoundWaitMs: config.stream.notFoundWaitMs,
  });
  onClose(() => hls.close());
  const notReady = () => [
    ...(connections.accepted >= connections.limit ? ['limit'] : []),
    ...(member.isDraining ? ['draining'] : []),
  ];
  const forClients = {
    config,
    node,
    access,
    streams,
    connections,
    protocol,
    certificate,
    player: player && playerRoute(player, (error) => logger.error({ err: error }, 'the player cannot be built')),
    hls: segmentMs > 0 ? hls : undefined,
    notReady,
    weight: () => member.weight,
    logger,
  };
  const crew =
    connections instanceof CrewBook ? await startCrew({ ...forClients, workers, connections, observer }) : undefined;
  const listeners = crew ?? (await startListeners(forClients));
  onClose(() => listeners.close('shutdown'));
  return { access, certificate, listeners, crew, notReady };
}

function hlsRefusal({ refused, description }: Refusal): HlsRefusal {
  return { status: Number.parseInt(httpStatus(refused), 10), error: refused, message: description };
}
