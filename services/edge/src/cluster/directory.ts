/**
 * What this node knows of the cluster: which nodes live, who publishes which stream. Fed by watching two buckets and, as
 * a lease ends without an event, by its own last-seen times. While NATS is away the last that was known stays.
 */

import type { KvWatchEntry } from '@nats-io/kv';
import type { Logger } from '@weir/contracts/logger';
import type { Bucket } from '@weir/contracts/nats/bucket';
import type { NatsHandle } from '@weir/contracts/nats/connect';
import {
  NODE_HEARTBEAT_MS,
  NODE_LEASE_MS,
  parseStreamKey,
  STREAM_LEASE_MS,
  SUSPECT_LEASE_MS,
} from '@weir/contracts/nats/names';
import type { NodeRecord, StreamRecord } from '@weir/contracts/nats/records';

/** What pulls and claims ask. */
export interface Directory {
  /** False while NATS is away: what is known is old. */
  readonly isFresh: boolean;
  /** Live nodes, this one included. */
  nodes(): NodeRecord[];
  node(name: string): NodeRecord | undefined;
  /** Unix time, ms, at which a node was last heard of; 0 = never. */
  lastSeenMs(node: string): number;
  /** Who publishes `app/name`. */
  publisherOf(stream: string): StreamRecord | undefined;
  /** Live nodes on which a publisher of `app/name` stands by. */
  standbysOf(stream: string): string[];
}

interface Seen<T> {
  record: T;
  seenMs: number;
  revision: number;
  /** Somebody lost its connection to it since it was last heard of. */
  isSuspect?: boolean;
}

/** A node was heard of, said that it leaves, or is not heard of any more; with a lost connection that takes less time. */
export type NodeCause = 'heard' | 'left' | 'silent' | 'connection-lost';

/** Options of {@link ClusterDirectory}. */
export interface DirectoryOptions {
  nats: NatsHandle;
  nodes: Bucket;
  streams: Bucket;
  logger: Logger;
  /** A stream's record changed, or (undefined) a node came or went. */
  onChange(stream: string | undefined): void;
  /** A node came or went; not called for those that were there at the start. */
  onNode?(record: NodeRecord, cause: NodeCause): void;
}

const EXPIRE_EVERY_MS = 250;
/** So long after connecting, heartbeats of live nodes may still be to come. */
const CATCH_UP_MS = 2 * NODE_HEARTBEAT_MS;

/** The directory of one node. */
export class ClusterDirectory implements Directory {
  readonly #options: DirectoryOptions;
  readonly #nodes = new Map<string, Seen<NodeRecord>>();
  readonly #streams = new Map<string, Seen<StreamRecord>>();
  /** When a standby was last seen, Unix ms, by stream and node. */
  readonly #standbys = new Map<string, Map<string, number>>();
  /** What publishing edges said themselves, see relay/announcer.ts. */
  readonly #announced = new Map<string, StreamRecord>();
  readonly #stops: (() => void)[];
  readonly #timer: NodeJS.Timeout;
  #connectedMs = 0;

  constructor(options: DirectoryOptions) {
    this.#options = options;
    const stay = () => this.#touchAll();
    this.#stops = [
      options.nodes.follow((entry) => this.#onNode(entry), stay),
      options.streams.follow((entry) => this.#onStream(entry), stay),
    ];
    this.#timer = setInterval(() => this.#expire(Date.now()), EXPIRE_EVERY_MS).unref();
  }

  get isFresh(): boolean {
    return this.#options.nats.state === 'connected';
  }

  nodes(): NodeRecord[] {
    return [...this.#nodes.values()].map(({ record }) => record);
  }

  node(name: string): NodeRecord | undefined {
    return this.#nodes.get(name)?.record;
  }

  lastSeenMs(node: string): number {
    return this.#nodes.get(node)?.seenMs ?? 0;
  }

  publisherOf(stream: string): StreamRecord | undefined {
    const record = this.#streams.get(stream)?.record;
    // What a dead node published is not published any more; a node that is heard of again publishes again.
    const known = record && this.#isThere(record.node) ? record : undefined;
    const announced = this.#announced.get(stream);
    return announced && announced.epoch > (known?.epoch ?? 0) ? announced : known;
  }

  standbysOf(stream: string): string[] {
    const nodes = [...(this.#standbys.get(stream)?.keys() ?? [])];
    return nodes.filter((node) => this.#isThere(node));
  }

  /** While NATS is away, and shortly after, nobody is known to be gone. */
  #isThere(node: string): boolean {
    return this.#nodes.has(node) || !this.isFresh || this.#isCatchingUp();
  }

  /** A node is said to be gone: it has a short lease unless it is heard of. */
  suspect(node: string): void {
    const seen = this.#nodes.get(node);
    if (seen) seen.isSuspect = true;
  }

  /** The publishing edge itself says that it has the stream; counts when NATS knows nothing newer. */
  announce(record: StreamRecord): void {
    const { stream, epoch } = record;
    const known = this.#announced.get(stream);
    if (known && known.epoch >= epoch) return;
    this.#announced.set(stream, record);
    this.#options.onChange(stream);
  }

  /** It says so no longer. */
  retract({ stream, node, epoch }: StreamRecord): void {
    const known = this.#announced.get(stream);
    if (known?.node !== node || known.epoch !== epoch) return;
    this.#announced.delete(stream);
    this.#options.onChange(stream);
  }

  close(): void {
    clearInterval(this.#timer);
    for (const stop of this.#stops) stop();
  }

  #onNode(entry: KvWatchEntry): void {
    const before = this.#nodes.get(entry.key)?.record;
    const record = entry.operation === 'PUT' ? parse<NodeRecord>(entry) : undefined;
    if (record) this.#nodes.set(entry.key, { record, seenMs: Date.now(), revision: entry.revision });
    else this.#nodes.delete(entry.key);
    const changed = !before !== !record || roleOf(before) !== roleOf(record);
    if (!before !== !record && !this.#isCatchingUp())
      this.#options.onNode?.((record ?? before) as NodeRecord, record ? 'heard' : 'left');
    if (changed) this.#options.onChange(undefined);
  }

  /** True while what was there before is still coming in. */
  #isCatchingUp(): boolean {
    return Date.now() - this.#connectedMs < CATCH_UP_MS;
  }

  #onStream(entry: KvWatchEntry): void {
    const { stream, standby } = parseStreamKey(entry.key);
    if (standby !== undefined) {
      this.#onStandby(stream, standby, entry.operation === 'PUT');
      return;
    }
    const known = this.#streams.get(stream);
    if (known && entry.revision < known.revision) return;
    const record = entry.operation === 'PUT' ? parse<StreamRecord>(entry) : undefined;
    if (record) this.#streams.set(stream, { record, seenMs: Date.now(), revision: entry.revision });
    else this.#streams.delete(stream);
    if (known?.record.epoch !== record?.epoch || known?.record.node !== record?.node) this.#options.onChange(stream);
  }

  #onStandby(stream: string, node: string, isThere: boolean): void {
    const nodes = this.#standbys.get(stream) ?? new Map<string, number>();
    if (isThere) nodes.set(node, Date.now());
    else nodes.delete(node);
    if (nodes.size > 0) this.#standbys.set(stream, nodes);
    else this.#standbys.delete(stream);
  }

  /** Connected again: everything known gets one more lease to be confirmed in. */
  #touchAll(): void {
    const now = Date.now();
    this.#connectedMs = now;
    for (const seen of [...this.#nodes.values(), ...this.#streams.values()]) {
      seen.seenMs = now;
      seen.isSuspect = false;
    }
    for (const nodes of this.#standbys.values()) for (const node of nodes.keys()) nodes.set(node, now);
  }

  #expire(nowMs: number): void {
    if (!this.isFresh) return;
    for (const [stream, { seenMs }] of this.#streams) {
      if (nowMs - seenMs < STREAM_LEASE_MS) continue;
      this.#streams.delete(stream);
      this.#options.onChange(stream);
    }
    for (const [stream, nodes] of this.#standbys) {
      for (const [node, seenMs] of nodes) {
        if (nowMs - seenMs >= STREAM_LEASE_MS) this.#onStandby(stream, node, false);
      }
    }
    for (const [node, { record, seenMs, isSuspect }] of this.#nodes) {
      if (nowMs - seenMs < (isSuspect ? SUSPECT_LEASE_MS : NODE_LEASE_MS)) continue;
      this.#nodes.delete(node);
      this.#options.onNode?.(record, isSuspect ? 'connection-lost' : 'silent');
      this.#options.onChange(undefined);
    }
  }
}

/** What others go by when they choose whom to ask. */
function roleOf(record: NodeRecord | undefined): string {
  return record ? `${record.role} ${record.elected === true} ${record.draining}` : '';
}

function parse<T>(entry: KvWatchEntry): T | undefined {
  try {
    return entry.json<T>();
  } catch {
    return undefined; // somebody else's doing; a record nobody can read is none
  }
}
