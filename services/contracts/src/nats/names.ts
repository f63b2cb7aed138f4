/** Every NATS name the parts agree on: the telemetry stream, its subjects, message headers, and the KV buckets. */

/** JetStream stream that holds all telemetry until ingest has written it. */
export const TELEMETRY_STREAM = 'WEIR_TELEMETRY';

/** Prefix of all telemetry subjects: `weir.telemetry.<partition>.<signal>.<node>`. */
export const TELEMETRY_SUBJECT_PREFIX = 'weir.telemetry';

/** JetStream stream that holds messages ingest could not use, with the reason in a header. */
export const DEAD_LETTER_STREAM = 'WEIR_DEAD_LETTERS';

/** Prefix of dead-letter subjects: `weir.deadletter.<partition>.<signal>.<node>`. */
export const DEAD_LETTER_SUBJECT_PREFIX = 'weir.deadletter';

/**
 * What a message holds. `metrics` and `logs` are OTLP of Weir's own nodes; `otlp-metrics` and `otlp-logs` came by HTTP from
 * others, under names that no node can have (services/ingest/src/otlp); `faro` is of browsers.
 */
export type Signal = 'metrics' | 'logs' | 'faro' | 'otlp-metrics' | 'otlp-logs';

/** Payload of one telemetry message at most; larger samples travel as several. Half of what NATS allows by default. */
export const TELEMETRY_MAX_PAYLOAD_BYTES = 524_288;

/** Headers of a telemetry message, besides NATS' own message id. */
export const HEADER = {
  /** `application/x-protobuf` (OTLP) or `application/json` (Faro). */
  contentType: 'Content-Type',
  /** OTLP only, {@link otelSignal}: what Collectors that read NATS tell metrics from logs by. */
  signal: 'Otel-Signal',
  /** Identity of the outbox that sent it: stable over restarts of its node, new when its file was lost. */
  outbox: 'Weir-Outbox',
  /** Sequence of the message in its outbox, decimal, from 1 without holes unless the outbox dropped data. */
  sequence: 'Weir-Sequence',
  /** Dead letters only: why the message could not be used, and its code. */
  reason: 'Weir-Reason',
  reasonCode: 'Weir-Reason-Code',
} as const;

/** KV buckets. A bucket has one lease time (its TTL): per-key TTLs are not honoured by NATS 2.9. */
export const BUCKET = {
  /** Node heartbeats by node name; lease = {@link NODE_LEASE_MS}. */
  nodes: 'weir_nodes',
  /** Agents by name, likewise; apart, as they are no members. */
  agents: 'weir_agents',
  /** Who publishes which stream, by {@link kvKey} of `app/name`, and who stands by, by {@link standbyKey}; lease = {@link STREAM_LEASE_MS}, worth nothing without its node. */
  streams: 'weir_streams',
  /** Elected roles. */
  roles: 'weir_roles',
  /** What the clients of each node use of their apps' quotas, by node; lease = {@link NODE_LEASE_MS}. */
  usage: 'weir_usage',
  /** Which ingest copy owns which partition. */
  owners: 'weir_ingest_owners',
  /** Per partition: what was written and which batch is being written. No lease: this is what exactly-once rests on. */
  progress: 'weir_ingest_progress',
} as const;

/** Subjects on which members and operators talk; nothing of it is stored. */
export const CLUSTER_SUBJECT = {
  /** Requests to one node, see control.ts. */
  control: (node: string) => `weir.cluster.control.${node}`,
  /** The same to all nodes. */
  controlAll: 'weir.cluster.control',
  /** Answers to one question; nodes may publish here, not to inboxes. */
  reply: (id: string) => `weir.cluster.reply.${id}`,
  /** Somebody lost its connection to this node: its lease is short unless it is heard of. */
  suspect: (node: string) => `weir.cluster.suspect.${node}`,
  /** A machine that was refused the name of this node says who it is, see records.ts. */
  rival: (node: string) => `weir.cluster.rival.${node}`,
} as const;

/** A heartbeat not refreshed for this long means that the node is gone. */
export const NODE_LEASE_MS = 6_000;

/** How often a node refreshes its heartbeat. */
export const NODE_HEARTBEAT_MS = 2_000;

/** How often a node says what its clients use of quotas: other nodes know of a new viewer or publisher that much later. */
export const USAGE_SHARE_MS = 1_000;

/** A stream's record counts while its node lives; what a dead node leaves behind is removed after this time. */
export const STREAM_LEASE_MS = 60_000;

/** How often a node refreshes its streams: every node hears of it, so it must not be often. */
export const STREAM_REFRESH_MS = 20_000;

/** A node that somebody lost its connection to, and that is not heard of for this long, is gone. */
export const SUSPECT_LEASE_MS = 3_000;

/** The partition of a node: FNV-1a (32 bit) of its name modulo `partitions`. All messages of a node share one. */
export function partitionOf(node: string, partitions: number): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(node)) {
    hash ^= byte;
    hash = Math.imul(hash, 0x01000193) >>> 0;
  }
  return hash % partitions;
}

/** Subject of a node's telemetry. `node` must be a {@link isNodeName valid name}. */
export function telemetrySubject(partition: number, signal: Signal, node: string): string {
  return `${TELEMETRY_SUBJECT_PREFIX}.${partition}.${signal}.${node}`;
}

/** The parts of a telemetry subject, or undefined when it is not one. */
export function parseTelemetrySubject(
  subject: string,
): { partition: number; signal: Signal; node: string } | undefined {
  const match = /^weir\.telemetry\.(\d+)\.(metrics|logs|faro|otlp-metrics|otlp-logs)\.([^.\s]+)$/.exec(subject);
  if (!match) return undefined;
  return { partition: Number(match[1]), signal: match[2] as Signal, node: match[3] as string };
}

/** The name OpenTelemetry has for what a message holds. */
export function otelSignal(signal: Exclude<Signal, 'faro'>): 'metrics' | 'logs' {
  return signal === 'metrics' || signal === 'otlp-metrics' ? 'metrics' : 'logs';
}

/** Prefix of the names of senders by OTLP over HTTP, which no node may have. */
export const OTLP_NODE_PREFIX = 'otlp-';

/**
 * A node's name is one subject token and one KV key: letters, digits, `-` and `_`, 1-63 characters, and none of those that
 * {@link OTLP_NODE_PREFIX} keeps for others.
 */
export function isNodeName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/.test(name) && !name.startsWith(OTLP_NODE_PREFIX);
}

/**
 * The node name under which a copy of ingest reports itself: `ingest-` and the copy's name, which has it already where it
 * begins so. What a node name cannot hold becomes `-`.
 */
export function ingestNode(copy: string): string {
  const name = copy.replaceAll(/[^A-Za-z0-9_-]+/g, '-');
  return (/^ingest(?![A-Za-z0-9])/.test(name) ? name : `ingest-${name}`).slice(0, 63);
}

/** A KV key for any text (stream names may hold characters that NATS refuses): base64url without padding. */
export function kvKey(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64url');
}

/** The text behind a {@link kvKey}. */
export function fromKvKey(key: string): string {
  return Buffer.from(key, 'base64url').toString('utf8');
}

/** Key of a node's backup of a stream in the bucket {@link BUCKET.streams}: beside the stream's own, told apart by a dot. */
export function standbyKey(stream: string, node: string): string {
  return `${kvKey(stream)}.${node}`;
}

/** What a key of the bucket {@link BUCKET.streams} names; `standby` is the node of a {@link standbyKey}. */
export function parseStreamKey(key: string): { stream: string; standby?: string } {
  const [stream = '', standby] = key.split('.', 2);
  return { stream: fromKvKey(stream), ...(standby === undefined ? {} : { standby }) };
}

/** All telemetry of one partition. */
export function partitionSubject(partition: number): string {
  return `${TELEMETRY_SUBJECT_PREFIX}.${partition}.>`;
}

/** Durable consumer of one partition: its pending and unacknowledged messages are ingest's lag. */
export function ingestConsumer(partition: number): string {
  return `weir-ingest-${partition}`;
}

/** Second consumer of a partition while a backlog is written: it reads the newest messages ahead and is no lag. */
export function ingestAheadConsumer(partition: number): string {
  return `weir-ingest-ahead-${partition}`;
}

/** A copy of ingest not heard of for this long has lost its partitions; the TTL of the bucket {@link BUCKET.owners}. */
export const INGEST_LEASE_MS = 6_000;

/** Subject of the dead letter of a message that came on the telemetry subject `subject`. */
export function deadLetterSubject(subject: string): string {
  return `${DEAD_LETTER_SUBJECT_PREFIX}${subject.slice(TELEMETRY_SUBJECT_PREFIX.length)}`;
}
