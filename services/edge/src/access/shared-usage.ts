/**
 * What apps use of their quotas on the other nodes, by NATS KV: every node says once a second what its own clients use,
 * and remembers what the others said. Before it: the bucket `weir_usage`; after it: quota-keeper.ts. While NATS is away
 * nobody hears of the others: after the lease each node keeps the whole quota by itself.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { KvWatchEntry } from '@nats-io/kv';
import { errorMessage } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import type { Bucket } from '@weir/contracts/nats/bucket';
import { NODE_HEARTBEAT_MS, NODE_LEASE_MS, USAGE_SHARE_MS } from '@weir/contracts/nats/names';
import type { AppShare, UsageRecord } from '@weir/contracts/nats/records';
import type { OtherNodes } from './quota-keeper.ts';

/** Options of {@link SharedUsage}. */
export interface SharedUsageOptions {
  /** Name of this node. */
  node: string;
  bucket: Bucket;
  logger: Logger;
}

/** What this node has to say. */
export interface OwnUsage {
  /** False while no app has a quota: then nothing is said, and nobody is listened to. */
  isNeeded(): boolean;
  shares(): ReadonlyMap<string, AppShare>;
}

const CLOSE_WAIT_MS = 500;

/** One per node. */
export class SharedUsage implements OtherNodes {
  readonly #options: SharedUsageOptions;
  /** By node; `heardMs` is monotonic. */
  readonly #heard = new Map<string, { apps: ReadonlyMap<string, AppShare>; heardMs: number }>();
  #timer: NodeJS.Timeout | undefined;
  #stopFollowing: (() => void) | undefined;
  #isBusy = false;
  #said = '';
  #saidMs = 0;

  constructor(options: SharedUsageOptions) {
    this.#options = options;
  }

  /** Says what is used here, from now on. */
  share(own: OwnUsage): void {
    this.#timer = setInterval(() => {
      if (own.isNeeded()) {
        this.#stopFollowing ??= this.#options.bucket.follow(
          (entry) => this.#hear(entry),
          () => {},
        );
      }
      if (!this.#isBusy && this.#stopFollowing) void this.#say(own.shares());
    }, USAGE_SHARE_MS).unref();
  }

  /** What other nodes said of `app`, as long as it counts. */
  sharesOf(app: string): { node: string; share: AppShare }[] {
    const oldestMs = performance.now() - NODE_LEASE_MS;
    const shares: { node: string; share: AppShare }[] = [];
    for (const [node, { apps, heardMs }] of this.#heard) {
      const share = apps.get(app);
      if (heardMs < oldestMs) this.#heard.delete(node);
      else if (share) shares.push({ node, share });
    }
    return shares;
  }

  /** Its clients are gone: others need not wait for the lease to end. Waits at most half a second for NATS. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopFollowing?.();
    if (this.#said === '') return;
    const remove = async () => (await this.#options.bucket.open())?.delete(this.#options.node);
    await Promise.race([remove().catch(() => {}), sleep(CLOSE_WAIT_MS, undefined, { ref: false })]);
  }

  #hear(entry: KvWatchEntry): void {
    if (entry.key === this.#options.node) return;
    const apps = entry.operation === 'PUT' ? parseApps(entry) : undefined;
    if (apps) this.#heard.set(entry.key, { apps, heardMs: performance.now() });
    else this.#heard.delete(entry.key);
  }

  /** Says it when it is news, and often enough to be believed. */
  async #say(apps: ReadonlyMap<string, AppShare>): Promise<void> {
    const { node, bucket, logger } = this.#options;
    const isEmpty = apps.size === 0;
    const text = isEmpty ? '' : JSON.stringify({ node, apps: Object.fromEntries(apps) } satisfies UsageRecord);
    const isOld = performance.now() - this.#saidMs >= NODE_HEARTBEAT_MS;
    if (text === this.#said && (isEmpty || !isOld)) return;
    this.#isBusy = true;
    try {
      const kv = await bucket.open();
      if (!kv) return;
      if (isEmpty) await kv.delete(node);
      else await kv.put(node, text);
      this.#said = text;
      this.#saidMs = performance.now();
    } catch (error) {
      bucket.reset();
      logger.debug({ reason: errorMessage(error) }, 'what apps use here was not shared');
    } finally {
      this.#isBusy = false;
    }
  }
}

/** What a node said; undefined when nobody can read it. */
function parseApps(entry: KvWatchEntry): Map<string, AppShare> | undefined {
  try {
    const apps = new Map(Object.entries(entry.json<UsageRecord>().apps));
    const areFigures = (figures: unknown): boolean =>
      Array.isArray(figures) && figures.every((figure) => Number.isFinite(figure) && figure >= 0);
    const isUse = ({ viewers, publishers, bitsPerSecond, newestViewers = [], newestPublishers = [] }: AppShare) =>
      areFigures([viewers, publishers, bitsPerSecond]) && areFigures(newestViewers) && areFigures(newestPublishers);
    return [...apps.values()].every(isUse) ? apps : undefined;
  } catch {
    return undefined;
  }
}
