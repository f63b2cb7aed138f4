/**
 * Takes a node out of service: new clients are refused with a word to go elsewhere, those who are on it are asked to
 * reconnect where their protocol knows that, and the node ends when it is empty or time is up. Who is still on when the
 * deadline nears is cut little by little: the other nodes are to get them at an even pace. Before it: the admin API.
 *
 *   serving ──drain──▶ draining ──deadline near──▶ emptying ──empty, or deadline──▶ ended (only with a deadline)
 *      ◀────serve────────┴────────────────────────────┘
 */
import type { OpenConnection } from '../stream/connections.ts';

/** What draining needs of its node. */
export interface DrainOptions {
  /** Tells the cluster. */
  setDraining(draining: boolean): void;
  /** True whoever began it. */
  isDraining(): boolean;
  /** Clients and relays that are still on. */
  remaining(): number;
  /** All that are open. */
  connections(): Promise<OpenConnection[]>;
  /** Asks clients to reconnect elsewhere; how many know how, and were told. */
  askToReconnect(): Promise<number>;
  /** The node is empty, or its time is up. */
  end(): void;
}

/** How a drain stands. */
export interface DrainState {
  draining: boolean;
  connections: number;
  /** Unix time, ms; null = it stays. */
  endsAtMs: number | null;
  told: number;
}

const LOOK_MS = 250;
/** Clients are cut within this part of the time until the deadline, its last … */
const EMPTYING_SHARE = 0.25;
/** … and it need not be longer than this: a thousand clients are then some 17 a second. */
const EMPTYING_MAX_MS = 60_000;

/** Relays leave with the last publisher of their stream; viewers of HLS come by a new connection each time, and elsewhere. */
function canBeCut({ opened: { role, protocol } }: OpenConnection): boolean {
  return role !== 'relay' && protocol !== 'hls';
}

/** How many of `left` clients are to be cut now, so that the last one goes just before `leftMs` have passed. */
function cutNow(left: number, leftMs: number): number {
  return Math.ceil(left / Math.max(1, leftMs / LOOK_MS));
}

/** One per node. */
export class Drain {
  readonly #options: DrainOptions;
  #timer: NodeJS.Timeout | undefined;
  #endsAtMs: number | undefined;
  #emptiesAtMs = 0;
  #isCutting = false;
  /** Ids of those who were told to go; one that does not read takes its time. */
  readonly #cutIds = new Set<string>();
  #told = 0;

  constructor(options: DrainOptions) {
    this.#options = options;
  }

  /** How it stands now. */
  get state(): DrainState {
    return {
      draining: this.#options.isDraining(),
      connections: this.#options.remaining(),
      endsAtMs: this.#endsAtMs ?? null,
      told: this.#told,
    };
  }

  /**
   * Begins, or changes the deadline of what has begun; resolves when clients were told. Without a deadline the node stays
   * when it is empty.
   */
  async begin(deadlineMs?: number): Promise<void> {
    this.#options.setDraining(true);
    clearInterval(this.#timer);
    this.#endsAtMs = undefined;
    if (deadlineMs !== undefined) {
      const endsAtMs = Date.now() + deadlineMs;
      this.#endsAtMs = endsAtMs;
      this.#emptiesAtMs = endsAtMs - Math.min(deadlineMs * EMPTYING_SHARE, EMPTYING_MAX_MS);
      this.#timer = setInterval(() => this.#look(Date.now(), endsAtMs), LOOK_MS).unref();
    }
    this.#told += await this.#options.askToReconnect();
  }

  /** Back to service. */
  undo(): void {
    this.close();
    this.#endsAtMs = undefined;
    this.#told = 0;
    this.#cutIds.clear();
    this.#options.setDraining(false);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(nowMs: number, endsAtMs: number): void {
    if (this.#options.remaining() === 0 || nowMs >= endsAtMs) {
      this.close();
      this.#options.end();
    } else if (nowMs >= this.#emptiesAtMs && !this.#isCutting) {
      this.#isCutting = true;
      void this.#cut(endsAtMs - nowMs).finally(() => {
        this.#isCutting = false;
      });
    }
  }

  async #cut(leftMs: number): Promise<void> {
    const open = await this.#options.connections();
    // an operator may have ended the drain meanwhile
    if (!this.#options.isDraining()) return;
    const left = open.filter((connection) => canBeCut(connection) && !this.#cutIds.has(connection.id));
    for (const { id, kick } of left.slice(0, cutNow(left.length, leftMs))) {
      this.#cutIds.add(id);
      kick?.('shutdown');
    }
  }
}
