/**
 * What the topology file says: the machines of a cluster, what each does, and how clients reach them. `load.ts` reads
 * and checks it; infra renders from it everything a machine needs. Secrets never stand in it (see {@link SECRETS_FILE}).
 */
import Type, { type Static, type TProperties, type TSchema } from 'typebox';

const section = <T extends TProperties>(properties: T) =>
  Type.Object(properties, { additionalProperties: false, default: {} });
const entry = <T extends TProperties>(properties: T) => Type.Object(properties, { additionalProperties: false });
const named = <T extends TSchema>(item: T, description: string) =>
  Type.Record(Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$' }), item, { default: {}, description });
const text = (fallback: string, description: string) => Type.String({ default: fallback, description });
const flag = (fallback: boolean, description: string) => Type.Boolean({ default: fallback, description });
const whole = (fallback: number, description: string, minimum: number, maximum: number) =>
  Type.Integer({ default: fallback, description, minimum, maximum });
const seconds = (fallback: number, description: string, minimum: number, maximum: number) =>
  Type.Number({ default: fallback, description, minimum, maximum });
const port = (fallback: number, description: string) => whole(fallback, description, 1, 65_535);
const addresses = (description: string) => Type.Array(Type.String(), { default: [], description });

/**
 * Secrets by reference: the topology and all rendered files hold none, only `@secret:NAME@` where one belongs. The install
 * script fills these in on the machine from `NAME=value` lines of this file, and names what is missing.
 */
export const SECRETS_FILE = '/etc/weir/secrets.env';

/** How a secret is called. */
export const SECRET_NAME = '^[A-Z][A-Z0-9_]*$';

/** What stands in a rendered file where the secret `name` belongs. */
export function secretReference(name: string): string {
  return `@secret:${name}@`;
}

/** What a machine does besides directing; directors are named by their group. */
export const MACHINE_ROLES = ['edge', 'origin', 'dns', 'nats', 'nats-leaf', 'ingest', 'clickhouse', 'grafana'] as const;

export type MachineRole = (typeof MACHINE_ROLES)[number];

/** Largest weight: ten steps of it, and two, must fit into a checker's exit status. */
export const MAX_WEIGHT = 25;

export const SiteSchema = entry({
  network: Type.String({
    description: 'The link all machines of the site share, as CIDR; direct routing needs one link',
  }),
  interface: text('eth0', 'Network card of the machines that faces this link, where a machine says nothing else'),
});

export const GroupSchema = entry({
  site: Type.String({ description: 'Site of all its directors and edges' }),
  virtualAddress: Type.String({ description: 'The one address clients see' }),
  virtualRouterId: Type.Integer({ minimum: 1, maximum: 255, description: 'VRRP id, unique on the link' }),
  directors: Type.Array(Type.String(), { description: 'Two or more machines; the first is preferred' }),
  weight: whole(1, 'Share of this group in DNS answers; equal weights answer with all groups', 0, 1_000),
  reserved: addresses(
    'Addresses of edges to come: directors already ask for them, so adding such an edge changes no director',
  ),
});

export const MachineSchema = entry({
  site: Type.String({ description: 'Where it stands' }),
  address: Type.String({ description: 'Its own address on the link of the site' }),
  roles: Type.Array(Type.Unsafe<MachineRole>(Type.Union(MACHINE_ROLES.map((role) => Type.Literal(role)))), {
    default: [],
    description: `What it does besides directing: ${MACHINE_ROLES.join(', ')}`,
  }),
  group: Type.Optional(
    Type.String({ description: 'Edges only: the group that sends viewers here; none = clients come directly' }),
  ),
  weight: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: MAX_WEIGHT,
      description: 'Edges only: share of the group’s connections (default 1); 0 = none',
    }),
  ),
  mac: Type.Optional(
    Type.String({ description: 'Directors only: hardware address of the card, for on-link protection' }),
  ),
  interface: Type.Optional(Type.String({ description: 'Network card, when it differs from the site’s' })),
  cards: Type.Record(Type.String(), Type.String(), {
    default: {},
    description: 'Speeds of cards the kernel does not know: name → 1Gbit, 10Gbit, 2500Mbit',
  }),
  shard: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 1_000,
      description: 'ClickHouse only: servers of one number hold the same rows, those of others hold others (default 1)',
    }),
  ),
  connections: Type.Optional(
    Type.Integer({
      minimum: 1,
      description: 'Connections a node of it takes at most (default edge 8000, origin 10000)',
    }),
  ),
});

const RecordSchema = entry({
  name: Type.String({ description: 'Name inside the zone, e.g. live' }),
  groups: Type.Array(Type.String(), {
    minItems: 1,
    description: 'Groups whose virtual addresses are answered while they live',
  }),
  backup: Type.Array(Type.String(), { default: [], description: 'Groups answered only when none of `groups` lives' }),
});

export const TopologySchema = section({
  cluster: text('weir', 'Name of the cluster'),
  sites: named(SiteSchema, 'Data centres'),
  groups: named(GroupSchema, 'A virtual address with its directors'),
  machines: named(MachineSchema, 'Every host; its name is the name of its edge or origin node'),
  ports: section({
    rtmp: port(1935, 'RTMP on the virtual address'),
    rtmpHidden: port(19_350, 'RTMP on an edge behind directors, never reachable by itself'),
    http: port(80, 'HTTP (player, HTTP-FLV) on the virtual address'),
    node: port(8080, 'HTTP of an edge: player, health, weight'),
    rtmps: port(1937, 'RTMPS on the virtual address, with clientTls'),
    rtmpsHidden: port(19_370, 'RTMPS on an edge behind directors'),
    https: port(443, 'HTTPS (player, HTTP-FLV) on the virtual address, with clientTls'),
    nodeTls: port(8443, 'HTTPS of an edge'),
    originRtmp: port(1935, 'RTMP of an origin, closed to clients by its firewall'),
    originNode: port(8081, 'HTTP of an origin: health'),
    relay: port(1936, 'Relay listener of an edge, for members only'),
    originRelay: port(1938, 'Relay listener of an origin, for members only'),
    ingest: port(4318, 'OTLP and Faro over HTTP'),
    nats: port(4222, 'NATS for clients'),
    natsCluster: port(6222, 'NATS between servers'),
    natsLeaf: port(7422, 'NATS for leaf servers'),
    natsMonitor: port(8222, 'NATS monitoring, on loopback'),
    clickhouse: port(8123, 'ClickHouse over HTTP'),
    clickhouseNative: port(9000, 'ClickHouse between its own servers'),
    keeper: port(9181, 'ClickHouse Keeper for clients'),
    keeperRaft: port(9234, 'ClickHouse Keeper between its own servers'),
    grafana: port(3000, 'Grafana'),
  }),
  hiding: section({
    method: Type.Union([Type.Literal('edge'), Type.Literal('director')], {
      default: 'edge',
      description:
        'Where 1935 becomes the hidden port: edge (address translation, simplest) or director (stateless both ways)',
    }),
    onLink: flag(
      true,
      'Edges take frames for the virtual address from directors’ hardware addresses only (needs `mac`)',
    ),
  }),
  vrrp: section({
    advertSeconds: seconds(
      0.1,
      'Time between adverts; a dead master is noticed after about three; below 0.1 masters flap at start',
      0.05,
      10,
    ),
    unicast: flag(false, 'Adverts to the partners’ addresses where multicast is not carried'),
    preempt: flag(
      false,
      'The preferred director takes over again at once when it is back, although it may not know the open connections yet',
    ),
  }),
  health: section({
    intervalSeconds: seconds(0.5, 'Time between checks of an edge by a director', 0.1, 60),
    timeoutSeconds: seconds(1, 'Time an edge has to answer', 0.1, 60),
    retries: whole(1, 'Tries after a failed check before the edge is out', 0, 10),
    retryDelaySeconds: seconds(0.2, 'Time between these tries', 0.05, 60),
    dynamicWeight: flag(true, 'Directors ask edges for their load (/weight) and move connections away from busy ones'),
    weightIntervalSeconds: seconds(5, 'Time between these questions', 1, 300),
  }),
  limits: section({
    perSourcePerSecond: whole(50, 'New connections per second from one address; more are dropped', 1, 1_000_000),
    perSourceBurst: whole(200, 'New connections from one address at once', 1, 1_000_000),
    perDirectorPerSecond: whole(
      20_000,
      'New connections per second through one director; more are dropped',
      1,
      10_000_000,
    ),
    persistenceSeconds: section({
      rtmp: whole(0, 'A client comes to the same edge for so long; 0 = off', 0, 86_400),
      http: whole(0, 'The same for HTTP', 0, 86_400),
    }),
  }),
  dns: section({
    zone: text('', 'Zone that is served, e.g. live.example.net; empty = no DNS'),
    ttlSeconds: whole(5, 'How long answers may be kept', 0, 86_400),
    intervalSeconds: whole(1, 'Time between health checks of a group', 1, 300),
    timeoutSeconds: whole(1, 'Time a group has to answer', 1, 60),
    hostmaster: text('hostmaster', 'Mailbox of the zone’s keeper, inside the zone or with dots for all'),
    records: Type.Array(RecordSchema, { default: [], description: 'Names that clients use' }),
  }),
  relayKeys: Type.Array(Type.String({ pattern: SECRET_NAME }), {
    default: ['RELAY_KEY'],
    minItems: 1,
    description: 'Names of the secrets that hold the relay keys: the first signs, all are accepted (rotation)',
  }),
  nats: section({
    credentials: Type.Union([Type.Literal('role'), Type.Literal('node')], {
      default: 'role',
      description:
        'role: one user for all nodes, adding a machine changes no NATS server; node: each node may publish under its own name only',
    }),
    maxStoreGb: whole(20, 'Disk for JetStream on each server', 1, 100_000),
    maxMemoryMb: whole(256, 'Memory for JetStream on each server', 16, 1_000_000),
  }),
  telemetry: section({
    intervalMs: whole(5_000, 'Sampling interval', 100, 3_600_000),
    partitions: whole(4, 'Partitions of the telemetry stream', 1, 256),
  }),
  clickhouse: section({
    host: text(
      '',
      'Name by which ingest and Grafana reach ClickHouse; with an address of each server they go to one that lives. Empty = one server, of their site where there is one',
    ),
  }),
  faro: section({
    url: text(
      '',
      'Where browsers reach ingest, …/faro/collect: the edges’ player sends its measurements there; empty = it measures nothing',
    ),
    open: flag(
      false,
      'Ingest is open to everybody; else a proxy of yours inside the sites or admin.networks stands before it and says X-Forwarded-For',
    ),
  }),
  tls: section({
    enabled: flag(false, 'TLS between nodes and NATS and among NATS servers'),
    ca: text('/etc/weir/tls/ca.pem', 'Certificate authority, on each machine'),
    cert: text('/etc/weir/tls/cert.pem', 'The machine’s certificate; names its address and localhost'),
    key: text('/etc/weir/tls/key.pem', 'The machine’s key'),
  }),
  clientTls: section({
    enabled: flag(false, 'RTMPS and HTTPS for clients, balanced like RTMP; edges end TLS themselves'),
    cert: text('/etc/weir/tls/client-cert.pem', 'Certificate chain of the name that clients use, on each edge'),
    key: text('/etc/weir/tls/client-key.pem', 'Its key'),
  }),
  alerts: section({
    webhook: text('', 'URL that Grafana posts alerts to; empty = they show in Grafana only'),
  }),
  admin: section({
    networks: addresses(
      'Networks (CIDR) that may reach SSH, Grafana, NATS and ClickHouse besides the cluster; empty = the sites only',
    ),
    sshPort: port(22, 'Port of SSH on the machines'),
    sshUser: text('root', 'User Ansible logs in as'),
  }),
  software: section({
    path: text('/opt/weir', 'Where Weir is on each machine'),
    archive: text(
      '',
      'URL or file of a release (tar.gz) the install script unpacks there; empty = it is put there otherwise',
    ),
    sha256: text('', 'Checksum of the archive, hex'),
  }),
});

/** A topology with every key present. */
export type Topology = Static<typeof TopologySchema>;
export type Site = Static<typeof SiteSchema>;
export type Group = Static<typeof GroupSchema>;
export type Machine = Static<typeof MachineSchema>;
export type DnsRecord = Static<typeof RecordSchema>;
