/**
 * The one configuration schema of all parts. Each command reads the sections it needs; a file may hold them all.
 * Every leaf is a key of the file (`rtmp.port`), an environment variable (`WEIR_RTMP_PORT`) and a flag (`--rtmp-port`).
 * Units are in the names; addresses are `host` + `port`.
 */
import Type, { type Static, type TProperties } from 'typebox';
import { DATABASE } from '../tables.ts';

/** Marks a string that is blanked when the configuration is printed. */
export const SECRET = 'secret';

const section = <T extends TProperties>(properties: T) =>
  Type.Object(properties, { additionalProperties: false, default: {} });
const text = (fallback: string, description: string) => Type.String({ default: fallback, description });
const secret = (fallback: string, description: string) =>
  Type.String({ default: fallback, description, format: SECRET });
const count = (fallback: number, description: string, minimum = 0, maximum = Number.MAX_SAFE_INTEGER) =>
  Type.Integer({ default: fallback, description, minimum, maximum });
const port = (fallback: number, description: string) =>
  count(fallback, `${description} (0 picks a free port)`, 0, 65_535);
const list = (fallback: string[], description: string) => Type.Array(Type.String(), { default: fallback, description });

export const ConfigSchema = section({
  cluster: text('weir', 'Name of the cluster; all nodes of one cluster share it'),
  site: text('default', 'Where the machine stands (data centre, region)'),
  log: section({
    level: Type.Union(
      // spelt out: a mapped array would lose the names in the type
      [
        Type.Literal('trace'),
        Type.Literal('debug'),
        Type.Literal('info'),
        Type.Literal('warn'),
        Type.Literal('error'),
        Type.Literal('silent'),
      ],
      { default: 'info', description: 'Least severity that is logged: trace, debug, info, warn, error, silent' },
    ),
  }),
  machine: section({
    stateDir: text(
      '/var/lib/weir',
      'Folder shared by all nodes of this machine: its generated id and the host reporter’s lock',
    ),
    id: text('', 'Stable machine id; empty = the system’s machine-id file, else generated once into stateDir'),
    cards: list([], 'Speeds of network cards the kernel does not know, as name=bits per second, e.g. eth0=1000000000'),
  }),
  node: section({
    name: text('', 'Name of this node, unique in the cluster; empty = the host name'),
    role: Type.Union([Type.Literal('edge'), Type.Literal('origin')], {
      default: 'edge',
      description: 'edge: takes publishers and viewers; origin: relays streams between edges',
    }),
    workers: count(
      0,
      'Processes that serve this node’s clients; 1 = the node itself, 0 = one per core for an edge, 1 for an origin',
      0,
      256,
    ),
    dataDir: text('.weir/node', 'Folder of this node’s outbox'),
    advertise: text('127.0.0.1', 'Host under which other members reach this node'),
  }),
  agent: section({
    groups: list(
      [],
      'Groups this machine directs, one entry each: name address=virtual address card=network card directors=how many',
    ),
    ipvs: Type.Boolean({ default: false, description: 'Tell what this machine’s kernel balances (IPVS)' }),
    dnsServer: text('', 'address:port of the name server on this machine; empty = none'),
    dnsNames: list([], 'Names that it is asked for; the zone holds a _health text for each'),
  }),
  rtmp: section({
    host: text('0.0.0.0', 'Address of the RTMP listener'),
    port: port(1935, 'Port of the RTMP listener'),
    tlsPort: port(1937, 'Port of the RTMPS listener; there is one when tls.certFile is set'),
    chunkSizeBytes: count(65_536, 'Chunk size of what the node sends', 128, 16_777_215),
    maxMessageBytes: count(16_777_215, 'Largest message a publisher may send', 1_024, 16_777_215),
    handshakeTimeoutMs: count(10_000, 'Time a client has from connecting to publishing or playing', 100),
    idleTimeoutMs: count(30_000, 'A publisher that sends nothing for so long is closed', 100),
  }),
  http: section({
    host: text('0.0.0.0', 'Address of the HTTP listener (HTTP-FLV, health)'),
    port: port(8080, 'Port of the HTTP listener'),
    tlsPort: port(8443, 'Port of the HTTPS listener; there is one when tls.certFile is set'),
  }),
  tls: section({
    certFile: text('', 'Certificate chain of RTMPS and HTTPS, PEM; empty = neither. Read again on a reload'),
    keyFile: text('', 'Private key of the certificate, PEM'),
  }),
  access: section({
    publish: Type.Union([Type.Literal('open'), Type.Literal('key')], {
      default: 'open',
      description: 'Who may publish: open = anybody; key = whoever has a signed URL or a static key',
    }),
    play: Type.Union([Type.Literal('open'), Type.Literal('key')], {
      default: 'open',
      description: 'Who may play: open = anybody; key = whoever has a signed URL or a static key',
    }),
    signingKeys: Type.Array(Type.String({ format: SECRET }), {
      default: [],
      description: 'Keys of signed URLs (weir sign): the first signs, all are accepted (rotation)',
    }),
    publishKeys: Type.Array(Type.String({ format: SECRET }), {
      default: [],
      description: 'Static keys for publishing, given as ?key=…; entries app/stream=key, app/*=key or *=key',
    }),
    playKeys: Type.Array(Type.String({ format: SECRET }), {
      default: [],
      description: 'Static keys for playing, given as ?key=…; entries app/stream=key, app/*=key or *=key',
    }),
    allow: list([], 'Addresses and networks (CIDR) that may connect; empty = all'),
    deny: list([], 'Addresses and networks (CIDR) that may not connect; wins over access.allow'),
  }),
  callbacks: section({
    url: text('', 'HTTP server that is asked (connect, publish, play) and told (close) by POST; empty = nobody'),
    events: list(['connect', 'publish', 'play', 'close'], 'What it is asked and told: connect, publish, play, close'),
    key: secret('', 'Key of the Weir-Signature header; empty = callbacks are not signed'),
    timeoutMs: count(2_000, 'Time it has to answer', 10, 30_000),
    whenAway: Type.Union([Type.Literal('deny'), Type.Literal('allow')], {
      default: 'deny',
      description: 'What is answered for it when it is away: deny or allow',
    }),
  }),
  relay: section({
    host: text('0.0.0.0', 'Address of the relay listener, for members of the cluster only'),
    port: port(1936, 'Port of the relay listener'),
    keys: Type.Array(Type.String({ format: SECRET }), {
      default: [],
      description: 'Keys of the cluster: the first signs, all are accepted (rotation). Needed by every node',
    }),
    origins: list([], 'Configured origins as name=host:relayPort, used when NATS is away'),
    connectTimeoutMs: count(2_000, 'Time an upstream has to answer', 50),
    stallTimeoutMs: count(1_000, 'An upstream that sends nothing for so long is left for the next one', 100),
    lingerMs: count(5_000, 'A pull ends this long after its last viewer'),
    wantedOrigins: count(
      0,
      'Origins the cluster should have; edges are elected when fewer than half live. 0 = a tenth of the nodes, at least 2',
      0,
      1_000,
    ),
    maxHops: count(4, 'Nodes between publisher and viewer at most', 1, 16),
    external: list(
      [],
      'Other RTMP servers to pull from what nobody publishes here, as app/name=rtmp://…, app/*=rtmps://host/app/{name} or *=…; several URLs, with spaces between, are tried in turn',
    ),
    push: Type.Array(Type.String({ format: SECRET }), {
      default: [],
      description:
        'Other RTMP servers to push to what is published on this node, one entry per target, written as in relay.external',
    }),
    externalCaFile: text(
      '',
      'CAs (PEM) trusted for rtmps:// in relay.external and relay.push, beside those that Node brings along',
    ),
    externalVerify: Type.Boolean({
      default: true,
      description: 'Whether certificates of rtmps:// servers are checked; false only where the way to them is trusted',
    }),
  }),
  stream: section({
    mergeWindowMinMs: count(0, 'Smallest merge window; 0 = every message at once', 0, 5_000),
    mergeWindowMaxMs: count(350, 'Largest merge window; the window grows with load up to it', 0, 5_000),
    gopCacheBytes: count(8_388_608, 'GOP cache of one stream at most; 0 = off'),
    gopCacheMs: count(10_000, 'GOP cache of one stream at most, in media time', 0),
    catchUpSpeed: count(
      4,
      'How many times real time a new viewer is brought from the cached key frame to the present; 0 = in one burst',
      0,
      1_000,
    ),
    lowLatencyApps: list(
      [],
      'Apps served with low latency, * = all: a small merge window, and viewers skip to the newest key frame',
    ),
    lowLatencyMs: count(
      500,
      'Low latency: media a new viewer gets from the GOP cache at most (of a longer GOP the key frame, as a still), and age of a viewer’s queue at which it skips to the newest key frame',
      0,
    ),
    lowLatencyWindowMaxMs: count(50, 'Low latency: largest merge window', 0, 5_000),
    notFoundWaitMs: count(3_000, 'How long a viewer waits for an unknown stream before StreamNotFound'),
    newestWins: list(
      [],
      'Apps in which a new publisher of a stream replaces the present one, * = all; else it is refused',
    ),
    backups: list(
      [],
      'Apps in which a second publisher of a stream stands by and takes over, * = all; elsewhere only one with ?backup=1 does',
    ),
    alwaysOn: list(
      [],
      'Apps whose viewers are shown a clip while nobody publishes the stream, as app=file.flv, * = all other apps; edges only',
    ),
    publisherGraceMs: count(10_000, 'How long viewers stay attached after a publisher left'),
    viewerQueueBytes: count(4_194_304, 'Bytes queued for one viewer before frames are dropped', 16_384),
    viewerQueueMs: count(
      10_000,
      'Age of the oldest data queued for one viewer before frames are dropped; a viewer that takes nothing for so long is put out',
      100,
    ),
  }),
  hls: section({
    segmentMs: count(
      2_000,
      'Length of an HLS segment; each begins at the first key frame past it; 0 = no HLS',
      0,
      60_000,
    ),
    partMs: count(500, 'Length of a part of a segment (low-latency HLS)', 50, 10_000),
    segments: count(6, 'Complete segments kept of each stream', 3, 1_000),
    maxBytes: count(67_108_864, 'Bytes of segments kept of each stream at most', 1_048_576),
  }),
  limits: section({
    connections: count(8_000, 'Publishers and viewers of this node together (edge 8000, origin 10000 by custom)', 1),
    sendBitsPerSecond: count(0, 'What this node may send, for its weight in load balancing; 0 = no limit known'),
    connectionsPerIp: count(0, 'Connections of one address (IPv6: one /64) on this node; 0 = no limit'),
    connectsPerIp: count(0, 'New connections a second of one address (IPv6: one /64); 0 = no limit'),
    connectsPerIpBurst: count(100, 'New connections one address may make at once above limits.connectsPerIp', 1),
    viewersPerStream: count(0, 'Viewers of one stream on this node; 0 = no limit'),
    bitsPerPublisher: count(0, 'Bits a second one publisher may send; over it for long it is closed; 0 = no limit'),
    apps: list(
      [],
      'Quotas of apps in the whole cluster, one entry each: name (or *) viewers=n publishers=n bitsPerSecond=n, all optional',
    ),
    appGraceMs: count(
      10_000,
      'An app that is over its quota for so long has its newest viewers and publishers put out',
      3_000,
    ),
  }),
  admin: section({
    host: text('127.0.0.1', 'Address of the admin API; any but loopback needs admin.token'),
    port: port(0, 'Port of the admin API'),
    token: secret('', 'Bearer token of the admin API; empty = anybody on this machine may use it'),
  }),
  privacy: section({
    addresses: Type.Union([Type.Literal('keep'), Type.Literal('truncate'), Type.Literal('hash')], {
      default: 'keep',
      description:
        'What is stored of clients’ addresses: keep, truncate (to /24 and /48) or hash (by a key that changes)',
    }),
    addressKey: secret(
      '',
      'Secret behind the keys of hashed addresses, the same on all nodes; empty = each process makes its own and forgets it',
    ),
    addressKeyHours: count(24, 'A key of hashed addresses is used for so long', 1, 8_760),
  }),
  nats: section({
    servers: list(['nats://127.0.0.1:4222'], 'Addresses of the NATS servers'),
    user: text('', 'NATS user; empty = none'),
    password: secret('', 'NATS password'),
    token: secret('', 'NATS token; empty = none'),
    credsFile: text('', 'NATS credentials file; empty = none'),
    replicas: count(1, 'Replicas of streams and buckets (3 in a cluster)', 1, 5),
    monitors: list(
      [],
      'Monitoring of the NATS servers (http://host:8222), where weir nodes learns which nodes cannot log in',
    ),
  }),
  telemetry: section({
    intervalMs: count(5_000, 'Sampling interval, on the grid of the UTC clock', 100),
    partitions: count(4, 'Partitions of the telemetry stream; the same on all nodes and ingest copies', 1, 256),
    outboxMaxBytes: count(
      268_435_456,
      'Outbox on disk at most; the oldest messages are dropped and counted beyond',
      65_536,
    ),
    outboxMaxAgeMs: count(604_800_000, 'Age of the oldest message in the outbox at most', 1_000),
    streamMaxBytes: count(1_073_741_824, 'Telemetry stream in JetStream at most', 1_048_576),
    streamMaxAgeMs: count(604_800_000, 'Age of the oldest message in JetStream at most', 1_000),
  }),
  ingest: section({
    host: text('0.0.0.0', 'Address of the ingest service'),
    port: port(4318, 'Port of the ingest service (OTLP over HTTP)'),
    name: text('', 'Name of this copy, unique among the copies; empty = host name and pid'),
    role: Type.Union([Type.Literal('receive'), Type.Literal('write'), Type.Literal('all')], {
      default: 'all',
      description: 'receive: takes telemetry over HTTP; write: JetStream to ClickHouse; all: both',
    }),
    batchMaxMessages: count(2_000, 'Messages of one batch at most', 1, 100_000),
    batchMaxBytes: count(16_777_216, 'Payload bytes of one batch at most', 1_024),
    batchMaxDelayMs: count(500, 'A batch is written at the latest so long after its first message', 0),
    newestFirstAfterMs: count(
      15_000,
      'With data older than this still to be written, the newest are written first, in turns; 0 = always in order',
    ),
    selfTelemetry: Type.Boolean({
      default: true,
      description: 'Each copy reports itself (weir.ingest.*) through the pipeline it writes, besides /metrics',
    }),
    seriesPerNode: count(
      20_000,
      'Distinct series of one node an hour and copy of ingest; further ones are left out and counted. 0 = no limit',
    ),
  }),
  deadman: section({
    url: secret('', 'URL that ingest calls while it truly writes, so that silence is noticed elsewhere; empty = none'),
    method: Type.Union([Type.Literal('GET'), Type.Literal('POST')], {
      default: 'GET',
      description: 'How it is called: GET, or POST with a line of JSON',
    }),
    intervalMs: count(60_000, 'How often it is called', 100),
    timeoutMs: count(10_000, 'Time it has to answer', 10),
  }),
  otlp: section({
    tokens: Type.Array(Type.String({ format: SECRET }), {
      default: [],
      description: 'Bearer tokens of OTLP senders, as name=token; empty = only this machine may send, without one',
    }),
    maxBodyBytes: count(16_777_216, 'Largest OTLP request, unpacked', 1_024, 67_108_864),
    ratePerToken: count(1_000, 'OTLP requests a second per token and copy of ingest; 0 = no limit'),
  }),
  faro: section({
    keys: Type.Array(Type.String({ format: SECRET }), {
      default: [],
      description: 'Keys of pages that may send measurements, as name=key; empty = any page may',
    }),
    origins: list(['*'], 'Origins of pages that may send measurements (CORS), * = all'),
    maxBodyBytes: count(5_242_880, 'Largest payload of a page, unpacked', 1_024, 16_777_216),
    ratePerKey: count(5_000, 'Payloads a second per key and copy of ingest; 0 = no limit'),
    ratePerAddress: count(50, 'Payloads a second per sender’s address and copy of ingest; 0 = no limit'),
    trustProxy: Type.Boolean({
      default: false,
      description: 'The sender’s address stands in X-Forwarded-For, written by a proxy in front of ingest',
    }),
  }),
  player: section({
    faroUrl: text(
      '',
      'Where the player at /player/ sends its measurements (…/faro/collect; :4318/… = the page’s own host); empty = nowhere',
    ),
    faroKey: secret('', 'Key the player sends them with'),
    samplePercent: count(100, 'Share of viewers whose player measures, in percent', 0, 100),
  }),
  clickhouse: section({
    url: text('http://127.0.0.1:8123', 'HTTP address of ClickHouse or of the embedded store'),
    database: text(DATABASE, 'Database of all tables'),
    user: text('weir', 'User that writes'),
    password: secret('', 'Password of the user that writes'),
    readUser: text('weir_read', 'User that only reads'),
    readPassword: secret('', 'Password of the user that only reads'),
    cluster: text('', 'ClickHouse cluster for ON CLUSTER and replicated tables; empty = one server'),
    distributed: text(
      '',
      'Database with Distributed tables over all shards of clickhouse.cluster, made by weir migrate; write and read there by clickhouse.database',
    ),
    requestTimeoutMs: count(30_000, 'Time a request may take', 100),
  }),
  store: section({
    host: text('127.0.0.1', 'Address of the embedded store'),
    port: port(8123, 'Port of the embedded store (ClickHouse HTTP interface)'),
    dataDir: text('.weir/store', 'Folder of the embedded store’s data'),
    maxExecutionSeconds: count(30, 'Time a query of the read-only user may take', 1),
    maxResultRows: count(1_000_000, 'Rows a query of the read-only user may return', 1),
    maxMemoryBytes: count(4_294_967_296, 'Memory a query of the read-only user may take', 1_048_576),
  }),
});

/** The whole configuration, every key present. */
export type Config = Static<typeof ConfigSchema>;

/** A configuration as people write it: any part may be missing. */
export type PartialConfig = { [S in keyof Config]?: Config[S] extends object ? Partial<Config[S]> : Config[S] };

/** Name of a top-level section or key. */
export type SectionName = keyof Config;
