/**
 * Takes a node out of service: new clients are refused with a word to go elsewhere, those who are on it are asked to
 * reconnect where their protocol knows that, and the node ends when it is empty or time is up. Before it: the admin API.
 *
 *   serving ──drain──▶ draining ──empty, or deadline──▶ ended (only with a deadline)
 *      ◀────serve────────┘
 */

/** What draining needs of its node. */
export interface DrainOptions {
  /** Tells the cluster. */
  setDraining(draining: boolean): void;
  /** True whoever began it. */
  isDraining(): boolean;
  /** Clients and relays that are still on. */
  remaining(): number;
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

/** One per node. */
export class Drain {
  readonly #options: DrainOptions;
  #timer: NodeJS.Timeout | undefined;
  #endsAtMs: number | undefined;
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
    this.#endsAtMs = deadlineMs === undefined ? undefined : Date.now() + deadlineMs;
    if (this.#endsAtMs !== undefined) this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
    this.#told += await this.#options.askToReconnect();
  }

  /** Back to service. */
  undo(): void {
    this.close();
    this.#endsAtMs = undefined;
    this.#told = 0;
    this.#options.setDraining(false);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    if (this.#options.remaining() > 0 && Date.now() < (this.#endsAtMs ?? 0)) return;
    this.close();
    this.#options.end();
  }
}
