/**
 * Builds what a node is made of before any client comes: its membership of the cluster, the relay listener and pulls that
 * join it with other nodes, and its streams. Before it: main.ts; after it: clients.ts, which lets clients to the streams.
 */
import type { Config } from '@weir/contracts/config/schema';
import type { Logger } from '@weir/contracts/logger';
import type { NatsHandle } from '@weir/contracts/nats/connect';
import type { NodeRecord, StreamRecord } from '@weir/contracts/nats/records';
import { Backups } from '../cluster/backups.ts';
import { Claims } from '../cluster/claims.ts';
import { Member } from '../cluster/member.ts';
import { alwaysOnClips, configuredOrigins, joinAddress, workersOf } from '../node-settings.ts';
import { Announcer } from '../relay/announcer.ts';
import { parseExternalRules } from '../relay/external-rules.ts';
import { externalTrust } from '../relay/external-trust.ts';
import { Externals } from '../relay/externals.ts';
import { Filler } from '../relay/filler.ts';
import type { KeyRing } from '../relay/key-ring.ts';
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
  /** Keys by which members of the cluster know each other. */
  ring: KeyRing;
  /** The node holds its name, or holds it no longer. */
  onName(isHeld: boolean): void;
  /** The name was never this node's: `holder` has it. */
  onRefused(holder: NodeRecord): void;
}

/** What {@link startMedia} built. */
export type Media = Awaited<ReturnType<typeof startMedia>>;

/** A publisher waits for the cluster's word at most so long; media comes first. */
const CLAIM_WAIT_MS = 500;
/** Nodes that pull from this one at the same time, times streams. */
const MAX_RELAYS = 16_384;
/** A publisher that sent nothing for so many stall times gives way to a new one of the same stream. */
const STALE_PUBLISHER_STALLS = 3;
/** Servers that are no members show no signs of life while their publisher is quiet: they get so many stall times. */
const EXTERNAL_STALLS = 3;
/** The holder of a claim has so long to say that it has the publisher. */
const PROBE_TIMEOUT_MS = 400;

/** @throws ConfigError `EDGE_ORIGIN_ADDRESS`, `EDGE_ALWAYS_ON`, `EDGE_EXTERNAL`; WeirError `EDGE_PORT_TAKEN`. */
export async function startMedia(options: MediaOptions) {
  const { config, node, ring, nats, observer, onClose, onName, onRefused, logger } = options;
  const { role } = config.node;
  let knownClaims: Claims | undefined;
  let knownBackups: Backups | undefined;
  const member = new Member({
    nats,
    node,
    role,
    replicas: config.nats.replicas,
    wantedOrigins: config.relay.wantedOrigins,
    onChange: (stream) => {
      streams?.wake(stream);
      if (stream === undefined) return;
      knownClaims?.noticed(stream);
      knownBackups?.noticed(stream);
    },
    onSuspect: (suspect) => knownBackups?.suspected(suspect),
    onName: (isHeld) => onName(isHeld),
    onRefused: (holder) => onRefused(holder),
    onEvent: (event) => observer.clusterChanged(event),
    logger,
  });
  onClose(() => member.close());
  const { directory } = member;

  const protocol = new Protocol();
  const workers = workersOf(config);
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
  const pulls = new Pulls({ config, node, ring, route, protocol, connections, observer, logger });

  // The relay listener comes first: claims tell others its port.
  let streams: Streams | undefined;
  let knownExternals: Externals | undefined;
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
      ring,
      maxHops: config.relay.maxHops,
      streams: builtStreams,
      canPull: (stream) => routeTo(stream, route).length > 0 || knownExternals?.knows(stream) === true,
      announcements: directory,
      onRefused: (reason) => pulls.refused(reason),
    }),
    onRefused: (reason) => connections.refuse('rtmp', reason),
  });
  onClose(() => relayServer.close('shutdown'));
  const newestWins = (app: string) => namesApp(config.stream.newestWins, app);
  const isAlive = (record: StreamRecord) => hasPublisher(record, { node, ring, protocol, timeoutMs: PROBE_TIMEOUT_MS });
  const claims = new Claims({
    nats,
    node,
    relay: joinAddress(config.node.advertise, relayServer.port),
    bucket: member.streamsBucket,
    directory,
    isAlive,
    onChange: () => announcer.changed(),
    newestWins: (stream) => newestWins(stream.split('/', 1)[0] ?? ''),
    onStreamChanged: (change) => observer.streamChanged(change),
    isFlowing: (stream) => builtStreams().get(stream)?.upstream?.state === 'live',
    waitMs: CLAIM_WAIT_MS,
    logger,
  });
  knownClaims = claims;
  onClose(() => claims.close());
  const announcer = new Announcer({
    node,
    ring,
    origins: role === 'edge' ? route.configuredOrigins : [],
    protocol,
    connectTimeoutMs: config.relay.connectTimeoutMs,
    records: () => claims.records(),
    logger,
  });
  onClose(() => announcer.close());
  const { gopCacheBytes, gopCacheMs, notFoundWaitMs, publisherGraceMs, viewerQueueBytes } = config.stream;
  const { connectTimeoutMs, lingerMs, stallTimeoutMs } = config.relay;
  const backups = new Backups({
    node,
    streams: builtStreams,
    directory,
    bucket: member.streamsBucket,
    isAlive,
    standsBy: (app) => namesApp(config.stream.backups, app),
    gop: { maxBytes: gopCacheBytes, maxMs: gopCacheMs },
    stallTimeoutMs,
    logger,
  });
  knownBackups = backups;
  onClose(() => backups.close());
  const clipOf = alwaysOnClips(config);
  const live = new Streams({
    hub: settings,
    times: { lingerMs, publisherGraceMs, notFoundWaitMs },
    claims,
    openUpstream: (hub, input, hops, events) => pulls.open(hub, input, hops, events),
    connections,
    idleTimeoutMs,
    staleAfterMs: STALE_PUBLISHER_STALLS * stallTimeoutMs,
    newestWins,
    standby: backups,
    standIn(hub) {
      const clip = role === 'edge' ? clipOf(hub.app) : undefined;
      return clip && new Filler(hub, clip);
    },
  });
  streams = live;
  onClose(() => live.close('shutdown'));
  const externals = new Externals({
    node,
    pulls: parseExternalRules(config.relay.external, 'relay.external'),
    pushes: parseExternalRules(config.relay.push, 'relay.push'),
    streams: live,
    directory,
    connections,
    protocol,
    tls: externalTrust(config.relay),
    maxMessageBytes,
    connectTimeoutMs,
    stallTimeoutMs: EXTERNAL_STALLS * stallTimeoutMs,
    lingerMs,
    queueBytes: viewerQueueBytes,
    logger,
  });
  knownExternals = externals;
  onClose(() => externals.close());
  return { member, protocol, workers, connections, clocks, pulls, relayServer, streams: live, externals };
}
