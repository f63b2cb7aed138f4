/**
 * Builds what a node is made of before any client comes: its membership of the cluster, the relay listener and pulls that
 * join it with other nodes, and its streams. Before it: main.ts; after it: clients.ts, which lets clients to the streams.
 */
import { availableParallelism } from 'node:os';
import type { Config } from '@weir/contracts/config/schema';
import type { Logger } from '@weir/contracts/logger';
import type { NatsHandle } from '@weir/contracts/nats/connect';
import { Claims } from '../cluster/claims.ts';
import { Member } from '../cluster/member.ts';
import { configuredOrigins, joinAddress } from '../node-settings.ts';
import { Announcer } from '../relay/announcer.ts';
import { hasPublisher } from '../relay/probe.ts';
import { Pulls } from '../relay/pulls.ts';
import { relayHost } from '../relay/relay-host.ts';
import { type RouteOptions, routeTo, Suspects } from '../relay/route.ts';
import { Protocol } from '../rtmp/protocol.ts';
import { startRtmpServer } from '../rtmp/server.ts';
import { Connections } from '../stream/connections.ts';
import { hubSettings, namesApp } from '../stream/hub-settings.ts';
import type { LateObserver } from '../stream/late-observer.ts';
import { Streams } from '../stream/streams.ts';
import { CrewBook } from '../workers/crew-book.ts';

/** Runs when the node ends, the last one given first. */
export type OnClose = (end: () => Promise<void> | void) => void;

/** What every builder of a node is handed. */
export interface BuildOptions {
  config: Readonly<Config>;
  /** Name of this node. */
  node: string;
  observer: LateObserver;
  nats: NatsHandle;
  onClose: OnClose;
  logger: Logger;
}

/** Options of {@link startMedia}. */
export interface MediaOptions extends BuildOptions {
  /** Key this node signs with as a member of the cluster. */
  relayKey: string;
}

/** What {@link startMedia} built. */
export type Media = Awaited<ReturnType<typeof startMedia>>;

/** A publisher waits for the cluster's word at most so long; media comes first. */
const CLAIM_WAIT_MS = 500;
/** Nodes that pull from this one at the same time, times streams. */
const MAX_RELAYS = 16_384;
/** A publisher that sent nothing for so many stall times gives way to a new one of the same stream. */
const STALE_PUBLISHER_STALLS = 3;
/** The holder of a claim has so long to say that it has the publisher. */
const PROBE_TIMEOUT_MS = 400;

/** @throws ConfigError `EDGE_ORIGIN_ADDRESS`; WeirError `EDGE_PORT_TAKEN`. */
export async function startMedia(options: MediaOptions) {
  const { config, node, relayKey, nats, observer, onClose, logger } = options;
  const { role } = config.node;
  let knownClaims: Claims | undefined;
  const member = new Member({
    nats,
    node,
    role,
    replicas: config.nats.replicas,
    wantedOrigins: config.relay.wantedOrigins,
    onChange: (stream) => {
      streams?.wake(stream);
      if (stream !== undefined) knownClaims?.noticed(stream);
    },
    onEvent: (event) => observer.clusterChanged(event),
    logger,
  });
  onClose(() => member.close());
  const { directory } = member;

  const protocol = new Protocol();
  const workers = config.node.workers === 0 ? availableParallelism() : config.node.workers;
  const Book = workers > 1 ? CrewBook : Connections;
  const connections = new Book(config.limits.connections, observer);
  const { clocks, settings } = hubSettings(config, protocol);
  onClose(() => clocks.close());
  const { chunkSizeBytes, maxMessageBytes, handshakeTimeoutMs, idleTimeoutMs } = config.rtmp;

  const route: RouteOptions = {
    node,
    role,
    get elected() {
      return member.isElected;
    },
    directory,
    configuredOrigins: configuredOrigins(config),
    suspects: new Suspects(
      (other) => directory.lastSeenMs(other),
      (other) => member.suspect(other),
    ),
  };
  const pulls = new Pulls({ config, node, key: relayKey, route, protocol, connections, observer, logger });

  // The relay listener comes first: claims tell others its port.
  let streams: Streams | undefined;
  const builtStreams = () => {
    if (!streams) throw new Error('A node came before this one was built.');
    return streams;
  };
  const relayServer = await startRtmpServer({
    chunkSizeBytes,
    maxMessageBytes,
    handshakeTimeoutMs,
    protocol,
    logger,
    host: config.relay.host,
    port: config.relay.port,
    portKey: 'relay.port',
    maxConnections: MAX_RELAYS,
    encoding: 'relay',
    sessionHost: relayHost({
      node,
      servesAsOrigin: () => member.servesAsOrigin,
      keys: config.relay.keys,
      maxHops: config.relay.maxHops,
      streams: builtStreams,
      canPull: (stream) => routeTo(stream, route).length > 0,
      announcements: directory,
    }),
    onRefused: (reason) => connections.refuse('rtmp', reason),
  });
  onClose(() => relayServer.close('shutdown'));
  const newestWins = (app: string) => namesApp(config.stream.newestWins, app);
  const claims = new Claims({
    nats,
    node,
    relay: joinAddress(config.node.advertise, relayServer.port),
    bucket: member.streamsBucket,
    directory,
    isAlive: (record) => hasPublisher(record, { node, key: relayKey, protocol, timeoutMs: PROBE_TIMEOUT_MS }),
    onChange: () => announcer.changed(),
    newestWins: (stream) => newestWins(stream.split('/', 1)[0] ?? ''),
    isFlowing: (stream) => builtStreams().get(stream)?.upstream?.state === 'live',
    waitMs: CLAIM_WAIT_MS,
    logger,
  });
  knownClaims = claims;
  onClose(() => claims.close());
  const announcer = new Announcer({
    node,
    key: relayKey,
    origins: role === 'edge' ? route.configuredOrigins : [],
    protocol,
    connectTimeoutMs: config.relay.connectTimeoutMs,
    records: () => claims.records(),
    logger,
  });
  onClose(() => announcer.close());
  const { notFoundWaitMs, publisherGraceMs } = config.stream;
  const live = new Streams({
    hub: settings,
    times: { lingerMs: config.relay.lingerMs, publisherGraceMs, notFoundWaitMs },
    claims,
    openUpstream: (hub, hops, events) => pulls.open(hub, hops, events),
    connections,
    idleTimeoutMs,
    staleAfterMs: STALE_PUBLISHER_STALLS * config.relay.stallTimeoutMs,
    newestWins,
  });
  streams = live;
  onClose(() => live.close('shutdown'));
  return { member, protocol, workers, connections, clocks, pulls, relayServer, streams: live };
}
