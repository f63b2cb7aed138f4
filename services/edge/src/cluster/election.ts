/**
 * Takes a place as origin when the rule says so, and holds it by a lease in KV. Before it: the directory's live nodes;
 * after it: routing and the heartbeat, which ask {@link Election.isElected}. Configured origins only look on.
 */
import type { KvWatchEntry } from '@nats-io/kv';
import { errorMessage } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import { type Bucket, unlessConflict } from '@weir/contracts/nats/bucket';
import type { NatsHandle } from '@weir/contracts/nats/connect';
import { NODE_HEARTBEAT_MS, NODE_LEASE_MS } from '@weir/contracts/nats/names';
import type { NodeRole, RoleRecord } from '@weir/contracts/nats/records';
import type { Directory } from './directory.ts';
import { type Decision, decide } from './election-rule.ts';

/** Why a place was taken, or given up. */
export type ElectionCause = 'origins-missing' | 'origins-back' | 'place-taken' | 'draining' | 'shutdown';

/** Options of {@link Election}. */
export interface ElectionOptions {
  nats: NatsHandle;
  bucket: Bucket;
  directory: Directory;
  /** This node. */
  node: string;
  role: NodeRole;
  /** Origins wanted; 0 = by the number of live nodes. */
  wanted: number;
  /** This node was elected, or is no longer. */
  onChange(elected: boolean, cause: ElectionCause): void;
  logger: Logger;
}

/** How often the rule is applied. */
const LOOK_EVERY_MS = 250;
/** A need must last so long before anybody acts on it. */
const SURE_AFTER_MS = 500;
/** After connecting, the others' heartbeats have so long to arrive. */
const LISTEN_FIRST_MS = 1.5 * NODE_HEARTBEAT_MS;
const KEY_PREFIX = 'origin-';

interface Place {
  node: string;
  seenMs: number;
  revision: number;
}

/** One per node. */
export class Election {
  readonly #options: ElectionOptions;
  readonly #places = new Map<number, Place>();
  readonly #stops: (() => void)[];
  readonly #timers: NodeJS.Timeout[];
  #mine: { place: number; revision: number; record: RoleRecord } | undefined;
  #connectedMs = 0;
  #neededSinceMs = 0;
  #isActing = false;

  constructor(options: ElectionOptions) {
    this.#options = options;
    const connected = () => {
      this.#connectedMs = Date.now();
      for (const place of this.#places.values()) place.seenMs = this.#connectedMs;
    };
    this.#stops = [options.bucket.follow((entry) => this.#onEntry(entry), connected)];
    this.#timers = [
      setInterval(() => this.#look(), LOOK_EVERY_MS).unref(),
      setInterval(() => void this.#act(() => this.#refresh()), NODE_HEARTBEAT_MS).unref(),
    ];
  }

  /** True while this node holds a place. Without NATS it keeps it: streams flow through it. */
  get isElected(): boolean {
    return this.#mine !== undefined;
  }

  /** Who holds the places, this node included. */
  holders(): string[] {
    return [...this.#live(Date.now()).values()];
  }

  /** Gives up its place at once. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    for (const stop of this.#stops) stop();
    await this.#giveUp('shutdown').catch(() => {});
  }

  #onEntry(entry: KvWatchEntry): void {
    if (!entry.key.startsWith(KEY_PREFIX)) return;
    const place = Number(entry.key.slice(KEY_PREFIX.length));
    const node = entry.operation === 'PUT' ? holderOf(entry) : undefined;
    if (node === undefined) this.#places.delete(place);
    else this.#places.set(place, { node, seenMs: Date.now(), revision: entry.revision });
  }

  /** Places with a lease, of nodes that live: a dead node's place is free at once. */
  #live(nowMs: number): Map<number, string> {
    const live = new Map<number, string>();
    for (const [place, { node, seenMs }] of this.#places) {
      const isHeld = nowMs - seenMs < NODE_LEASE_MS && this.#options.directory.node(node) !== undefined;
      if (isHeld) live.set(place, node);
    }
    return live;
  }

  #look(): void {
    const { directory, role, node, wanted } = this.#options;
    const nowMs = Date.now();
    if (role !== 'edge' || !directory.isFresh || nowMs - this.#connectedMs < LISTEN_FIRST_MS) return;
    const decision = decide({ nodes: directory.nodes(), places: this.#live(nowMs), wanted }, node);
    if (decision.kind === 'stay') {
      this.#neededSinceMs = 0;
      return;
    }
    this.#neededSinceMs ||= nowMs;
    if (nowMs - this.#neededSinceMs >= SURE_AFTER_MS) void this.#act(() => this.#follow(decision));
  }

  async #act(work: () => Promise<void>): Promise<void> {
    if (this.#isActing) return;
    this.#isActing = true;
    try {
      await work();
    } catch (error) {
      this.#options.logger.debug({ reason: errorMessage(error) }, 'an election step did not work');
    } finally {
      this.#isActing = false;
    }
  }

  async #follow(decision: Decision): Promise<void> {
    this.#neededSinceMs = 0;
    if (decision.kind === 'take') await this.#take(decision.place);
    else if (decision.kind === 'give-up') {
      const isDraining = this.#options.directory.node(this.#options.node)?.draining === true;
      await this.#giveUp(isDraining ? 'draining' : 'origins-back');
    }
  }

  async #take(place: number): Promise<void> {
    const kv = await this.#options.bucket.open();
    if (!kv) return;
    const record: RoleRecord = { node: this.#options.node, sinceMs: Date.now() };
    const value = JSON.stringify(record);
    const dead = this.#places.get(place);
    const write = dead ? kv.update(key(place), value, dead.revision) : kv.create(key(place), value);
    const revision = await unlessConflict(write);
    if (revision === undefined) {
      // The lease of the one before ran out, or another was faster: what is known is old either way.
      if (dead?.revision === this.#places.get(place)?.revision) this.#places.delete(place);
      return;
    }
    this.#places.set(place, { node: record.node, seenMs: Date.now(), revision });
    this.#mine = { place, revision, record };
    this.#options.logger.info({ place }, 'elected: this edge serves as origin too');
    this.#options.onChange(true, 'origins-missing');
  }

  async #giveUp(cause: ElectionCause): Promise<void> {
    const mine = this.#mine;
    if (!mine) return;
    this.#lose(cause);
    const kv = await this.#options.bucket.open();
    await kv?.delete(key(mine.place), { previousSeq: mine.revision });
  }

  async #refresh(): Promise<void> {
    const mine = this.#mine;
    const kv = mine && (await this.#options.bucket.open());
    if (!mine || !kv) return;
    const value = JSON.stringify(mine.record);
    let revision = await unlessConflict(kv.update(key(mine.place), value, mine.revision));
    // NATS was away for longer than the lease: it is free again, or another's.
    revision ??= await unlessConflict(kv.create(key(mine.place), value));
    if (this.#mine !== mine) return;
    if (revision === undefined) this.#lose('place-taken');
    else mine.revision = revision;
  }

  #lose(cause: ElectionCause): void {
    this.#mine = undefined;
    for (const [place, { node }] of this.#places) if (node === this.#options.node) this.#places.delete(place);
    this.#options.logger.info({ cause }, 'no longer elected');
    this.#options.onChange(false, cause);
  }
}

function key(place: number): string {
  return `${KEY_PREFIX}${place}`;
}

function holderOf(entry: KvWatchEntry): string | undefined {
  try {
    return entry.json<RoleRecord>().node;
  } catch {
    return undefined; // somebody else's doing: nobody's place
  }
}
