/**
 * Which copy of ingest reads which partition: every copy keeps a lease on its own presence and on each partition it
 * owns, in one KV bucket whose TTL is the lease. The live copies, sorted by name, share the partitions out in turn; a
 * copy that came or went moves them. Leases only spare double work: what keeps data exact is the fence in
 * write/progress.ts. Before it: NATS; after it: a partition writer per owned partition.
 */
import type { KV, KvWatchEntry } from '@nats-io/kv';
import type { QueuedIterator } from '@nats-io/transport-node';
import { errorMessage } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import { fromKvKey, INGEST_LEASE_MS, kvKey } from '@weir/contracts/nats/names';
import { isConflict } from '../kv-conflict.ts';

/** What {@link startOwnership} needs. */
export interface OwnershipOptions {
  kv: KV;
  /** Name of this copy, unique among the copies. */
  copy: string;
  partitions: number;
  logger: Logger;
  /** This copy owns the partition until `signal` aborts; what it returns resolves when its last write is done. */
  own(partition: number, signal: AbortSignal): Promise<void>;
}

/** A copy's share of the partitions. */
export interface Ownership {
  /** Partitions owned now. */
  readonly owned: readonly number[];
  /** Hands all partitions over and goes; resolves when the others may take them. */
  close(): Promise<void>;
}

const TICK_MS = INGEST_LEASE_MS / 3;

interface Lease {
  revision: number;
  renewedAtMs: number;
  readonly stop: AbortController;
  readonly working: Promise<void>;
  isEnding: boolean;
}

/** Starts to take part; the first partitions come within a moment. */
export function startOwnership(options: OwnershipOptions): Ownership {
  return new LeaseKeeper(options);
}

class LeaseKeeper implements Ownership {
  readonly #options: OwnershipOptions;
  readonly #leases = new Map<number, Lease>();
  /** Keys of the bucket, whose they are and when they were last heard of (`performance.now()`): expiry is not told. */
  readonly #heard = new Map<string, { atMs: number; holder: string }>();
  readonly #timer: NodeJS.Timeout;
  #watch: QueuedIterator<KvWatchEntry> | undefined;
  #isWatched = false;
  #isClosing = false;
  #ticking: Promise<void> | undefined;
  #isTickWanted = false;

  constructor(options: OwnershipOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#wantTick(), TICK_MS).unref();
    this.#wantTick();
  }

  get owned(): readonly number[] {
    return [...this.#leases].filter(([, lease]) => !lease.isEnding).map(([partition]) => partition);
  }

  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    clearInterval(this.#timer);
    await this.#ticking;
    await Promise.all([...this.#leases.keys()].map((partition) => this.#release(partition)));
    await this.#delete(copyKey(this.#options.copy)).catch((error: unknown) => this.#complain(error));
    this.#watch?.stop();
  }

  #wantTick(): void {
    if (this.#isClosing) return;
    this.#isTickWanted = true;
    this.#ticking ??= this.#tickWhileWanted().finally(() => {
      this.#ticking = undefined;
    });
  }

  async #tickWhileWanted(): Promise<void> {
    while (this.#isTickWanted && !this.#isClosing) {
      this.#isTickWanted = false;
      try {
        await this.#tick();
      } catch (error) {
        this.#complain(error);
        this.#dropExpired();
      }
    }
  }

  async #tick(): Promise<void> {
    const { kv, copy, partitions } = this.#options;
    await kv.put(copyKey(copy), copy);
    this.#heard.set(copyKey(copy), { atMs: performance.now(), holder: copy });
    await this.#watchOnce();
    for (const partition of this.#leases.keys()) await this.#renew(partition);
    this.#dropExpired();
    const copies = this.#liveCopies();
    for (let partition = 0; partition < partitions && !this.#isClosing; partition++) {
      const isMine = copies[partition % copies.length] === copy;
      if (isMine && !this.#leases.has(partition)) await this.#claim(partition);
      else if (!isMine && this.#leases.has(partition)) void this.#release(partition);
    }
  }

  async #claim(partition: number): Promise<void> {
    const { copy, logger } = this.#options;
    const key = partitionKey(partition);
    if (this.#isHeard(key) && this.#heard.get(key)?.holder !== copy) return;
    const revision = await this.#take(key);
    if (revision === undefined) return;
    const stop = new AbortController();
    const working = this.#options.own(partition, stop.signal);
    this.#leases.set(partition, { revision, renewedAtMs: performance.now(), stop, working, isEnding: false });
    logger.info({ partition }, 'partition taken');
  }

  /** Takes a lease that is free, or that a former process of this copy's name left; undefined when it is another's. */
  async #take(key: string): Promise<number | undefined> {
    const { kv, copy } = this.#options;
    const entry = await kv.get(key);
    if (entry?.operation === 'PUT' && entry.string() !== copy) return undefined;
    try {
      return await kv.put(key, copy, { previousSeq: entry?.revision ?? 0 });
    } catch (error) {
      if (isConflict(error)) return undefined;
      throw error;
    }
  }

  async #renew(partition: number): Promise<void> {
    const lease = this.#leases.get(partition);
    if (!lease) return;
    const startedAtMs = performance.now();
    try {
      const revision = await this.#options.kv.update(partitionKey(partition), this.#options.copy, lease.revision);
      lease.revision = revision;
      lease.renewedAtMs = startedAtMs;
    } catch (error) {
      this.#options.logger.warn({ partition, reason: errorMessage(error) }, 'lease of a partition was not renewed');
      // it is another copy's, or gone: no use in waiting for it to run out
      if (isConflict(error)) lease.renewedAtMs = Number.NEGATIVE_INFINITY;
    }
  }

  /** A lease that could not be renewed in time may be another copy's by now. */
  #dropExpired(): void {
    for (const [partition, lease] of this.#leases) {
      if (lease.isEnding || performance.now() - lease.renewedAtMs < INGEST_LEASE_MS) continue;
      this.#options.logger.warn({ partition }, 'lease of a partition was lost');
      lease.isEnding = true;
      lease.stop.abort();
      void lease.working.finally(() => {
        if (this.#leases.get(partition) === lease) this.#leases.delete(partition);
        this.#wantTick();
      });
    }
  }

  /** Finishes the batch under way, then lets the partition go; renewed until then. */
  async #release(partition: number): Promise<void> {
    const lease = this.#leases.get(partition);
    if (!lease || lease.isEnding) return lease?.working;
    lease.isEnding = true;
    lease.stop.abort();
    await lease.working;
    await this.#delete(partitionKey(partition), lease.revision).catch((error: unknown) => this.#complain(error));
    this.#leases.delete(partition);
    this.#heard.delete(partitionKey(partition));
    this.#options.logger.info({ partition }, 'partition handed over');
  }

  async #delete(key: string, revision?: number): Promise<void> {
    await this.#options.kv.delete(key, revision === undefined ? {} : { previousSeq: revision });
  }

  #liveCopies(): string[] {
    const copies = [...this.#heard.keys()].filter((key) => key.startsWith(COPY_PREFIX) && this.#isHeard(key));
    return copies.map((key) => fromKvKey(key.slice(COPY_PREFIX.length))).sort();
  }

  #isHeard(key: string): boolean {
    const heard = this.#heard.get(key);
    return heard !== undefined && performance.now() - heard.atMs < INGEST_LEASE_MS;
  }

  /** Follows the bucket; resolves when what is in it has been heard. Begins again when the watch ended. */
  async #watchOnce(): Promise<void> {
    if (this.#isWatched) return;
    this.#isWatched = true;
    try {
      this.#watch = await this.#options.kv.watch();
    } catch (error) {
      this.#isWatched = false;
      throw error;
    }
    const watch = this.#watch;
    void this.#follow(watch)
      .catch((error: unknown) => this.#complain(error))
      .finally(() => {
        this.#isWatched = false;
      });
  }

  async #follow(watch: QueuedIterator<KvWatchEntry>): Promise<void> {
    for await (const entry of watch) {
      const isNew = !this.#isHeard(entry.key);
      if (entry.operation === 'PUT') this.#heard.set(entry.key, { atMs: performance.now(), holder: entry.string() });
      else this.#heard.delete(entry.key);
      // a partition was let go, or a copy came or went: what is whose may have changed
      const isCopy = entry.key.startsWith(COPY_PREFIX);
      if (isCopy ? isNew || entry.operation !== 'PUT' : entry.operation !== 'PUT') this.#wantTick();
    }
  }

  #complain(error: unknown): void {
    this.#options.logger.warn(
      { reason: errorMessage(error) },
      'ownership of partitions could not be kept up; trying on',
    );
  }
}

const COPY_PREFIX = 'copy.';

function copyKey(copy: string): string {
  return `${COPY_PREFIX}${kvKey(copy)}`;
}

function partitionKey(partition: number): string {
  return `partition.${partition}`;
}
