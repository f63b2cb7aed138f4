/**
 * Bounds how many queries of one kind run at once. Who comes when all places are taken waits in a queue of its own bound,
 * for a bounded time; beyond either the answer is TOO_MANY_SIMULTANEOUS_QUERIES, and it is counted.
 */
import { type QueryException, refuse } from '../exceptions.ts';

/** Bounds of a {@link Gate}. */
export interface GateOptions {
  /** What passes, for the error's text, e.g. `queries of the reader`. */
  name: string;
  /** Running at once. */
  places: number;
  /** Waiting at once. */
  queueLength: number;
  /** Longest wait. */
  maxWaitMs: number;
}

interface Waiter {
  enter(): void;
  fail(error: unknown): void;
}

/** A counting semaphore with a bounded queue, first come first served. */
export class Gate {
  readonly #options: GateOptions;
  readonly #queue = new Set<Waiter>();
  readonly #idle: Array<() => void> = [];
  #running = 0;
  #refused = 0;

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /** Running, waiting and, since the start, refused. */
  get stats(): { running: number; waiting: number; refused: number } {
    return { running: this.#running, waiting: this.#queue.size, refused: this.#refused };
  }

  /**
   * Resolves when there is a place; the caller must call what it gets exactly once, when done.
   * @throws QueryException TOO_MANY_SIMULTANEOUS_QUERIES (202), or the signal's reason.
   */
  async enter(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#running < this.#options.places) this.#running++;
    else await this.#wait(signal);
    return () => this.#leave();
  }

  /** Resolves when nothing runs any more. */
  async idle(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  async #wait(signal: AbortSignal): Promise<void> {
    if (this.#queue.size >= this.#options.queueLength) throw this.#full();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { enter: resolve, fail: reject };
    const timer = setTimeout(() => waiter.fail(this.#full()), this.#options.maxWaitMs).unref();
    const abort = (): void => waiter.fail(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    this.#queue.add(waiter);
    try {
      await promise;
    } finally {
      this.#queue.delete(waiter);
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    }
  }

  #leave(): void {
    const [first] = this.#queue;
    if (!first) {
      this.#running--;
      if (this.#running === 0) for (const resolve of this.#idle.splice(0)) resolve();
      return;
    }
    this.#queue.delete(first);
    first.enter();
  }

  #full(): QueryException {
    this.#refused++;
    const { name, places, queueLength, maxWaitMs } = this.#options;
    return refuse(
      'TOO_MANY_SIMULTANEOUS_QUERIES',
      `Too many simultaneous queries: ${places} ${name} run, at most ${queueLength} more wait for up to ${maxWaitMs} ms`,
    );
  }
}
