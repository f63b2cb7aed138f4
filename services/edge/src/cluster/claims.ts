/**
 * The right to publish a name: one record per stream in KV, made by `create`, refreshed by compare-and-set, so that of two
 * publishers exactly one wins. Media never waits for NATS: without an answer in time a claim is granted and settled later.
 *
 *   asking ──created──▶ held ──refreshed──▶ held ──release──▶ gone
 *      │ no answer ▶ provisional ──created later──▶ held
 *      │                        └──another holds it──▶ lost
 *      └─another holds it─▶ is its publisher alive? yes ▶ refused, no ▶ taken over by compare-and-set
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { KV } from '@nats-io/kv';
import { errorMessage } from '@weir/contracts/errors';
import type { CloseReason } from '@weir/contracts/events';
import type { Logger } from '@weir/contracts/logger';
import { type Bucket, unlessConflict } from '@weir/contracts/nats/bucket';
import type { NatsHandle } from '@weir/contracts/nats/connect';
import { kvKey, NODE_HEARTBEAT_MS, STREAM_REFRESH_MS } from '@weir/contracts/nats/names';
import type { StreamRecord } from '@weir/contracts/nats/records';
import type { ClaimCause, StreamChange } from '../stats.ts';
import type { StreamClaim, StreamClaims } from '../stream/name-rights.ts';
import type { Directory } from './directory.ts';

/** Options of {@link Claims}. */
export interface ClaimsOptions {
  nats: NatsHandle;
  /** This node. */
  node: string;
  /** `host:port` of this node's relay listener. */
  relay: string;
  bucket: Bucket;
  directory: Directory;
  /** Asks the node that holds a record whether it really has the publisher; must answer within some 100 ms. */
  isAlive(record: StreamRecord): Promise<boolean>;
  /** True when a new publisher of the stream replaces the present one. Default: it is refused. */
  newestWins?(stream: string): boolean;
  /** True while another node sends us the stream. */
  isFlowing(stream: string): boolean;
  /** What this node publishes changed, see {@link Claims.records}. */
  onChange(): void;
  /** For the record: what became of a name. */
  onStreamChanged(change: StreamChange): void;
  /** A publisher waits for NATS at most so long. */
  waitMs: number;
  logger: Logger;
}

interface Held {
  record: StreamRecord;
  /** 0 = provisional: not in KV yet. */
  revision: number;
  /** When it was last written, Unix ms. */
  writtenMs: number;
  released: boolean;
  /** Whose it was, and why it is this node's. */
  cause: ClaimCause;
  from: string;
  /** It was granted without NATS. */
  isProvisional: boolean;
  /** Its end was told already: another publisher has the name. */
  isTold: boolean;
  lost(): void;
}

type Outcome = 'held' | 'refused' | 'unknown';

/** After NATS came back others may need so long to reconnect and to say again what they publish. */
const UNSURE_MS = 5_000;
/** Whoever takes a name over meets the last writes of the one before at most a few times. */
const TAKE_ATTEMPTS = 5;

/** All claims of one node. */
export class Claims implements StreamClaims {
  readonly #options: ClaimsOptions;
  readonly #held = new Map<string, Held>();
  readonly #removing = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  readonly #startedMs = Date.now();
  #lastEpoch = 0;
  #isRefreshing = false;
  /** When NATS was last connected. */
  #connectedMs = 0;
  readonly #stopListening: () => void;

  constructor(options: ClaimsOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.refresh(STREAM_REFRESH_MS), NODE_HEARTBEAT_MS).unref();
    this.#stopListening = options.nats.onChange((state) => {
      if (state !== 'connected') return;
      this.#connectedMs = Date.now();
      this.refresh();
    });
  }

  async claim(stream: string, lost: () => void, backup = false): Promise<StreamClaim | undefined> {
    const held: Held = {
      ...{ record: this.#record(stream, backup), revision: 0, writtenMs: 0, released: false, lost },
      ...{ cause: 'free', from: '', isProvisional: false, isTold: false },
    };
    const outcome = await Promise.race([this.#take(held), sleep(this.#options.waitMs, 'unknown' as const)]);
    if (outcome === 'refused') {
      held.released = true;
      return undefined;
    }
    const before = this.#held.get(stream);
    if (before) {
      before.released = true; // its publisher was replaced here: what it held is the new one's now
      before.isTold = true;
      Object.assign(held, { cause: before.record.backup ? 'primary-back' : 'newest-wins', from: this.#options.node });
    }
    if (outcome === 'unknown') {
      held.isProvisional = true;
      this.#options.logger.warn({ stream }, 'published without asking NATS, which is away');
    }
    this.#held.set(stream, held);
    this.#options.onChange();
    this.#tell(held, 'published', held.isProvisional ? 'nats-away' : held.cause);
    return { epoch: held.record.epoch, release: (reason) => this.#release(held, reason) };
  }

  async givesWay(stream: string): Promise<boolean> {
    const { directory, node, newestWins, isAlive } = this.#options;
    const holder = directory.publisherOf(stream);
    // A backup that gives way stays, and stands by.
    if (!holder || holder.node === node || holder.backup) return false;
    return newestWins?.(stream) === true || !(await isAlive(holder));
  }

  /** What is published here, claims that are not settled included; copies. */
  records(): StreamRecord[] {
    return [...this.#held.values()].map(({ record }) => ({ ...record }));
  }

  /** The directory says something new about a stream: a claim of ours may be another's, or what is left of our past. */
  noticed(stream: string): void {
    const record = this.#options.directory.publisherOf(stream);
    const held = this.#held.get(stream);
    if (!record) return;
    if (held && record.node !== this.#options.node && record.epoch > held.record.epoch) void this.#refreshOne(held);
    if (!held && record.node === this.#options.node && record.epoch < this.#startedMs) void this.#disown(stream);
  }

  /** Writes claims that are not settled or older than `ageMs`; called by a timer and, for all, when NATS is back. */
  refresh(ageMs = 0): void {
    if (this.#isRefreshing) return;
    this.#isRefreshing = true;
    void this.#refreshAll(ageMs).finally(() => {
      this.#isRefreshing = false;
    });
  }

  /** Gives up all claims; waits for NATS at most as long as a publisher would. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopListening();
    for (const held of this.#held.values()) this.#release(held, 'shutdown');
    await Promise.race([Promise.allSettled(this.#removing), sleep(this.#options.waitMs, undefined, { ref: false })]);
  }

  #record(stream: string, backup: boolean): StreamRecord {
    const { node, relay, directory } = this.#options;
    // Higher than all that is known, also when a clock is behind.
    const known = directory.publisherOf(stream)?.epoch ?? 0;
    this.#lastEpoch = Math.max(Date.now(), known + 1, this.#lastEpoch + 1);
    return { stream, node, relay, epoch: this.#lastEpoch, ...(backup ? { backup } : {}) };
  }

  async #take(held: Held): Promise<Outcome> {
    try {
      const kv = await this.#options.bucket.open();
      const isUnsure = !kv || Date.now() - this.#connectedMs < UNSURE_MS;
      if (isUnsure && (await this.#isTakenAsFarAsKnown(held.record))) return 'refused';
      if (!kv) return 'unknown';
      return await this.#takeFrom(kv, held, true);
    } catch (error) {
      this.#options.logger.debug({ stream: held.record.stream, reason: errorMessage(error) }, 'a claim is not settled');
      return 'unknown';
    }
  }

  /** While NATS is away or has just come: what this node sees itself, and the last that was known. */
  async #isTakenAsFarAsKnown(mine: StreamRecord): Promise<boolean> {
    const { stream } = mine;
    const last = this.#options.directory.publisherOf(stream);
    if (this.#replaces(mine, last)) return false;
    if (this.#options.isFlowing(stream)) return true;
    return last !== undefined && last.node !== this.#options.node && (await this.#options.isAlive(last));
  }

  /** True when `mine` is taken from a living publisher too: of apps in which the newest wins, and from a backup. */
  #replaces(mine: StreamRecord, other: StreamRecord | undefined): boolean {
    if (mine.backup === true) return false;
    return other?.backup === true || this.#options.newestWins?.(mine.stream) === true;
  }

  /**
   * The one it is taken from gives up its record, or refreshes it, at this very moment: a conflict with it is no refusal,
   * so it is tried again.
   * @param mayReplace false for a claim that was lost: it does not take back what was taken from it.
   */
  async #takeFrom(kv: KV, held: Held, mayReplace: boolean): Promise<Outcome> {
    for (let attempt = 1; attempt <= TAKE_ATTEMPTS; attempt++) {
      const outcome = await this.#tryTake(kv, held, mayReplace);
      if (outcome !== 'conflict') return outcome;
    }
    return 'refused';
  }

  async #tryTake(kv: KV, held: Held, mayReplace: boolean): Promise<Outcome | 'conflict'> {
    const key = kvKey(held.record.stream);
    const revision = await unlessConflict(kv.create(key, JSON.stringify(held.record)));
    if (revision !== undefined) return this.#took(held, revision);
    const entry = await kv.get(key);
    if (entry && entry.operation === 'PUT') {
      const other = entry.json<StreamRecord>();
      const mine = other.node === this.#options.node;
      const replaces = this.#replaces(held.record, other);
      const isNewer = replaces && other.epoch > held.record.epoch;
      if (!mine && !(mayReplace && replaces) && (isNewer || (await this.#options.isAlive(other)))) return 'refused';
      if (held.record.epoch <= other.epoch) held.record.epoch = other.epoch + 1;
      const taken = other.backup ? 'primary-back' : 'newest-wins';
      held.cause = mine ? 'own' : mayReplace && replaces ? taken : 'holder-gone';
      held.from = other.node;
    }
    const version = entry?.revision ?? 0;
    const taken = await unlessConflict(kv.update(key, JSON.stringify(held.record), version));
    return taken === undefined ? 'conflict' : this.#took(held, taken);
  }

  #took(held: Held, revision: number): Outcome {
    held.revision = revision;
    held.writtenMs = Date.now();
    if (held.isProvisional) {
      held.isProvisional = false;
      this.#tell(held, 'settled', held.cause);
    }
    // The publisher left, or went on provisionally and left, while NATS was thinking.
    if (held.released) void this.#remove(held);
    return 'held';
  }

  async #refreshAll(ageMs: number): Promise<void> {
    const oldMs = Date.now() - ageMs;
    const due = [...this.#held.values()].filter(({ revision, writtenMs }) => revision === 0 || writtenMs <= oldMs);
    await Promise.all(due.map((held) => this.#refreshOne(held)));
  }

  /** A node that died and came back finds its old records, which nobody else removes while it lives. */
  async #disown(stream: string): Promise<void> {
    try {
      const kv = await this.#options.bucket.open();
      const entry = await kv?.get(kvKey(stream));
      const record = entry?.operation === 'PUT' ? entry.json<StreamRecord>() : undefined;
      const isOurs = record?.node === this.#options.node && record.epoch < this.#startedMs;
      if (entry && isOurs) await kv?.delete(kvKey(stream), { previousSeq: entry.revision });
    } catch (error) {
      this.#options.logger.debug({ stream, reason: errorMessage(error) }, 'an old claim was not removed');
    }
  }

  async #refreshOne(held: Held): Promise<void> {
    const { stream } = held.record;
    try {
      const kv = await this.#options.bucket.open();
      if (!kv || held.released) return;
      if (held.revision > 0) {
        const value = JSON.stringify(held.record);
        const revision = await unlessConflict(kv.update(kvKey(stream), value, held.revision));
        if (revision !== undefined) {
          held.revision = revision;
          held.writtenMs = Date.now();
          return;
        }
        held.revision = 0; // the lease ran out, or somebody took it over: ask anew
      }
      const epoch = held.record.epoch;
      const outcome = await this.#takeFrom(kv, held, false);
      held.record.epoch = epoch; // media flows under it already
      if (outcome === 'refused') this.#lose(held);
    } catch (error) {
      this.#options.logger.debug({ stream, reason: errorMessage(error) }, 'a claim was not refreshed');
    }
  }

  #lose(held: Held): void {
    const { stream } = held.record;
    if (held.released) return;
    this.#options.logger.warn({ stream }, 'another node publishes this stream: ours is closed');
    this.#tell(held, 'lost', 'taken');
    held.isTold = true;
    held.lost();
  }

  #tell({ record, from, isTold }: Held, change: StreamChange['change'], cause: StreamChange['cause']): void {
    if (isTold) return;
    const { stream, node } = record;
    const isOurs = change === 'published' || change === 'settled';
    const now = change === 'lost' ? (this.#options.directory.publisherOf(stream)?.node ?? '') : '';
    const way = isOurs ? { from, to: node } : { from: node, to: now };
    this.#options.onStreamChanged({ stream, change, cause, ...way });
  }

  #release(held: Held, reason: CloseReason): void {
    held.released = true;
    const { stream } = held.record;
    this.#tell(held, 'ended', reason);
    held.isTold = true;
    if (this.#held.get(stream) === held) this.#held.delete(stream);
    this.#options.onChange();
    const removing = this.#remove(held).finally(() => this.#removing.delete(removing));
    this.#removing.add(removing);
  }

  /** Removes the record if it is still ours. */
  async #remove(held: Held): Promise<void> {
    held.released = true;
    if (held.revision === 0) return;
    try {
      const kv = await this.#options.bucket.open();
      await kv?.delete(kvKey(held.record.stream), { previousSeq: held.revision });
    } catch (error) {
      // Somebody took it over, or NATS is away: the lease ends it.
      this.#options.logger.debug(
        { stream: held.record.stream, reason: errorMessage(error) },
        'a claim was not removed',
      );
    }
  }
}
