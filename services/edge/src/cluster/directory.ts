/**
 * What this node knows of the cluster: which nodes live, who publishes which stream. Fed by watching two buckets and, as
 * a lease ends without an event, by its own last-seen times. While NATS is away the last that was known stays.
 */

import type { KvWatchEntry } from '@nats-io/kv';
import type { Logger } from '@weir/contracts/logger';
import type { NatsHandle } from '@weir/contracts/nats/connect';
import { fromKvKey, NODE_LEASE_MS } from '@weir/contracts/nats/names';
import type { NodeRecord, StreamRecord } from '@weir/contracts/nats/records';
import type { Bucket } from './buckets.ts';

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
}

interface Seen<T> {
  record: T;
  seenMs: number;
  revision: number;
}

/** Options of {@link ClusterDirectory}. */
export interface DirectoryOptions {
  nats: NatsHandle;
  nodes: Bucket;
  streams: Bucket;
  logger: Logger;
  /** A stream's record changed, or (undefined) a node came or went. */
  onChange(stream: string | undefined): void;
}

const EXPIRE_EVERY_MS = 1_000;

/** The directory of one node. */
export class ClusterDirectory implements Directory {
  readonly #options: DirectoryOptions;
  readonly #nodes = new Map<string, Seen<NodeRecord>>();
  readonly #streams = new Map<string, Seen<StreamRecord>>();
  readonly #stops: (() => void)[];
  readonly #timer: NodeJS.Timeout;

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
    return this.#streams.get(stream)?.record;
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
    const changed = !before !== !record || before?.role !== record?.role || before?.draining !== record?.draining;
    if (changed) this.#options.onChange(undefined);
  }

  #onStream(entry: KvWatchEntry): void {
    const stream = fromKvKey(entry.key);
    const known = this.#streams.get(stream);
    if (known && entry.revision < known.revision) return;
    const record = entry.operation === 'PUT' ? parse<StreamRecord>(entry) : undefined;
    if (record) this.#streams.set(stream, { record, seenMs: Date.now(), revision: entry.revision });
    else this.#streams.delete(stream);
    if (known?.record.epoch !== record?.epoch || known?.record.node !== record?.node) this.#options.onChange(stream);
  }

  /** Connected again: everything known gets one more lease to be confirmed in. */
  #touchAll(): void {
    const now = Date.now();
    for (const seen of [...this.#nodes.values(), ...this.#streams.values()]) seen.seenMs = now;
  }

  #expire(nowMs: number): void {
    if (!this.isFresh) return;
    for (const [stream, { seenMs }] of this.#streams) {
      if (nowMs - seenMs < NODE_LEASE_MS) continue;
      this.#streams.delete(stream);
      this.#options.onChange(stream);
    }
    for (const [node, { seenMs }] of this.#nodes) {
      if (nowMs - seenMs < NODE_LEASE_MS) continue;
      this.#nodes.delete(node);
      this.#options.onChange(undefined);
    }
  }
}

function parse<T>(entry: KvWatchEntry): T | undefined {
  try {
    return entry.json<T>();
  } catch {
    return undefined; // somebody else's doing; a record nobody can read is none
  }
}
