/**
 * One place in the crew: a worker process that is started again when it ends, with a growing pause, and killed when it
 * gives no sign of life. Before it: crew.ts; after it: node:cluster, which hands the process its sockets.
 */
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { WeirError } from '@weir/contracts/errors';
import type { CloseReason } from '@weir/contracts/events';
import type { Logger } from '@weir/contracts/logger';
import type { Listeners } from '../listeners.ts';
import { MEDIA_FLAGS } from '../process-flags.ts';
import type { ToPrimary, ToWorker } from './messages.ts';

const START_TIMEOUT_MS = 20_000;
/** A worker whose event loop stood still for so long serves nobody. */
const SILENT_MS = 15_000;
const RESTART_MIN_MS = 250;
const RESTART_MAX_MS = 15_000;
/** Who ran for so long is started again without delay the next time. */
const STEADY_MS = 60_000;
/** Clients are told and let go within so long, or cut. */
const CLOSE_MS = 2_500;

/** What one process of a place tells; `run` tells processes apart. */
export interface MemberEvents {
  began(run: number, send: (message: ToWorker) => void): void;
  told(run: number, message: ToPrimary): void;
  ended(run: number): void;
}

/** Options of {@link CrewMember}. */
export interface MemberOptions {
  /** 1 … n, the same after a restart. */
  index: number;
  start: Omit<Extract<ToWorker, { kind: 'start' }>, 'kind' | 'index'>;
  /** Gives a number that no process of the crew had. */
  nextRun: () => number;
  events: MemberEvents;
  logger: Logger;
}

/** See the head of the file. */
export class CrewMember {
  /** Times it was started again, total. */
  restarts = 0;
  /** Number of its present process. */
  run = 0;
  readonly index: number;
  readonly #options: MemberOptions;
  readonly #stop = new AbortController();
  #worker: Worker | undefined;
  #exited: Promise<unknown> = Promise.resolve();
  #keeping: Promise<void> | undefined;
  #heardMs = 0;

  constructor(options: MemberOptions) {
    this.index = options.index;
    this.#options = options;
  }

  /** Of the process; 0 while there is none. */
  get pid(): number {
    return this.#worker?.isDead() === false ? (this.#worker.process.pid ?? 0) : 0;
  }

  /** Starts it; from then on it is kept running. @throws WeirError as the worker had it, `EDGE_WORKER_FAILED`. */
  async start(): Promise<Listeners['ports']> {
    const ports = await this.#launch();
    this.#keeping = this.#keep();
    return ports;
  }

  send(message: ToWorker): void {
    if (this.#worker?.isConnected()) this.#worker.send(message, () => {});
  }

  /** Lets it tell its clients, and ends it. */
  async close(reason: CloseReason): Promise<void> {
    this.#stop.abort();
    if (this.pid > 0) {
      this.send({ kind: 'close', reason });
      const late = setTimeout(() => this.#worker?.process.kill('SIGKILL'), CLOSE_MS);
      await this.#exited;
      clearTimeout(late);
    }
    await this.#keeping;
  }

  async #keep(): Promise<void> {
    const { signal } = this.#stop;
    let pauseMs = RESTART_MIN_MS;
    for (;;) {
      const startedMs = Date.now();
      await this.#exited;
      if (signal.aborted) return;
      if (Date.now() - startedMs > STEADY_MS) pauseMs = RESTART_MIN_MS;
      const { exitCode, signalCode } = this.#worker?.process ?? {};
      this.#options.logger.error(
        { worker: this.index, exitCode, signalCode, pauseMs },
        'a worker ended and is started again',
      );
      await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => {});
      if (signal.aborted) return;
      pauseMs = Math.min(RESTART_MAX_MS, pauseMs * 2);
      this.restarts += 1;
      await this.#launch().catch((error: unknown) => {
        this.#options.logger.error({ worker: this.index, err: error }, 'a worker does not start');
      });
    }
  }

  async #launch(): Promise<Listeners['ports']> {
    const { index, events, start, nextRun } = this.#options;
    cluster.setupPrimary({
      exec: join(import.meta.dirname, 'worker.ts'),
      args: [],
      execArgv: [...MEDIA_FLAGS],
      serialization: 'advanced',
    });
    cluster.schedulingPolicy = cluster.SCHED_RR;
    const run = nextRun();
    const worker = cluster.fork();
    this.#worker = worker;
    this.run = run;
    this.#heardMs = Date.now();
    const watchdog = setInterval(() => {
      if (Date.now() - this.#heardMs > SILENT_MS) worker.process.kill('SIGKILL');
    }, 1_000).unref();
    this.#exited = once(worker, 'exit').finally(() => {
      clearInterval(watchdog);
      events.ended(run);
    });
    events.began(run, (message) => {
      if (worker.isConnected()) worker.send(message, () => {});
    });
    const ready = new Promise<Listeners['ports']>((resolve, reject) => {
      const failed = (code: string, message: string) => reject(new WeirError(code, message));
      worker.on('message', (message: ToPrimary) => {
        this.#heardMs = Date.now();
        if (message.kind === 'ready') resolve(message.ports);
        else if (message.kind === 'failed') failed(message.code, message.message);
        else events.told(run, message);
      });
      worker.once('error', (error) => failed('EDGE_WORKER_FAILED', `A worker cannot be started: ${error.message}.`));
      worker.once('exit', () => failed('EDGE_WORKER_FAILED', 'A worker ended while it started; its log says why.'));
      const late = () => failed('EDGE_WORKER_FAILED', `A worker was not ready after ${START_TIMEOUT_MS / 1_000} s.`);
      setTimeout(late, START_TIMEOUT_MS).unref();
    });
    worker.send({ kind: 'start', index, ...start } satisfies ToWorker, () => {});
    try {
      return await ready;
    } catch (error) {
      worker.process.kill('SIGKILL');
      await this.#exited;
      throw error;
    }
  }
}
