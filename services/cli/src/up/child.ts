/**
 * One child process of the supervisor: started, waited for, restarted with back-off when it ends by itself, stopped.
 *
 *   new ──start──▶ starting ──ready──▶ running ──ends──▶ waiting ──back-off──▶ starting …
 *                     │ ends or too slow (first time only)           any ──stop──▶ stopped
 *                     ▼
 *                  rejected
 *
 * It runs in a session of its own, so that Ctrl-C reaches the supervisor only, which then stops things in order.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { WeirError } from '@weir/contracts/errors';
import type { ReadyMessage } from '../service/run-service.ts';
import { type BoundedLog, openLog } from './bounded-log.ts';

/** How to run a child. */
export interface ChildSpec {
  name: string;
  program: string;
  args: readonly string[];
  env: NodeJS.ProcessEnv;
  logPath: string;
  /** `ipc`: the child tells; else asked again and again until it answers true. */
  ready: 'ipc' | (() => Promise<boolean>);
}

/** What the supervisor is told. */
export interface ChildEvents {
  /** Ended by itself; will be started again after `restartInMs`. */
  ended(name: string, reason: string, restartInMs: number): void;
  /** Running again, with a new pid. */
  restarted(name: string): void;
}

const START_TIMEOUT_MS = 60_000;
const PROBE_MS = 20;
const BACK_OFF_FIRST_MS = 500;
const BACK_OFF_MOST_MS = 10_000;
/** Whoever ran this long starts anew with the shortest back-off. */
const STEADY_MS = 60_000;
const LINES_SHOWN = 12;

/** A supervised child process. */
export class Child {
  readonly name: string;
  /** What it said when it became ready; empty for children that are probed. */
  urls: Readonly<Record<string, string>> = {};
  readonly #spec: ChildSpec;
  readonly #events: ChildEvents;
  readonly #log: BoundedLog;
  readonly #stopping = new AbortController();
  #process: ChildProcess | undefined;
  #keeping: Promise<void> | undefined;

  constructor(spec: ChildSpec, events: ChildEvents) {
    this.name = spec.name;
    this.#spec = spec;
    this.#events = events;
    this.#log = openLog(spec.logPath);
  }

  /** Of the present process; 0 while there is none. */
  get pid(): number {
    const child = this.#process;
    return child && isRunning(child) ? (child.pid ?? 0) : 0;
  }

  /**
   * Starts it and resolves when it is ready; from then on it is kept running until {@link stop}.
   * @throws WeirError `UP_CHILD_FAILED` with its last lines when it ends or is not ready in time.
   */
  async start(): Promise<void> {
    await this.#launch();
    this.#keeping = this.#keep();
  }

  /** SIGTERM, and SIGKILL when it is still there after `deadlineMs`. Resolves when it is gone. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopping.abort();
    const child = this.#process;
    if (child && isRunning(child)) {
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      const kill = setTimeout(() => child.kill('SIGKILL'), deadlineMs);
      await gone;
      clearTimeout(kill);
    }
    await this.#keeping;
    this.#log.close();
  }

  /** Starts it again whenever it ends, until stopped. */
  async #keep(): Promise<void> {
    let backOffMs = BACK_OFF_FIRST_MS;
    while (!this.#stopping.signal.aborted) {
      const startedAt = Date.now();
      let reason = await this.#ended();
      if (this.#stopping.signal.aborted) return;
      if (Date.now() - startedAt > STEADY_MS) backOffMs = BACK_OFF_FIRST_MS;
      for (let running = false; !running; ) {
        this.#events.ended(this.name, reason, backOffMs);
        await delay(backOffMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
        if (this.#stopping.signal.aborted) return;
        backOffMs = Math.min(backOffMs * 2, BACK_OFF_MOST_MS);
        try {
          await this.#launch();
          running = true;
        } catch (error) {
          if (this.#stopping.signal.aborted) return;
          reason = error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : String(error);
        }
      }
      this.#events.restarted(this.name);
    }
  }

  async #ended(): Promise<string> {
    const child = this.#process as ChildProcess;
    if (isRunning(child)) await once(child, 'exit');
    return endReason(child);
  }

  async #launch(): Promise<void> {
    const { program, args, env, ready } = this.#spec;
    const stdio =
      ready === 'ipc' ? (['ignore', 'pipe', 'pipe', 'ipc'] as const) : (['ignore', 'pipe', 'pipe'] as const);
    const child = spawn(program, args, { env, stdio: [...stdio], detached: true });
    this.#process = child;
    child.stdout?.on('data', (chunk: Buffer) => this.#log.append(chunk));
    child.stderr?.on('data', (chunk: Buffer) => this.#log.append(chunk));
    const settled = new AbortController();
    const ended = new Promise<never>((_, reject) => {
      child.once('error', (error) => reject(this.#failure(`cannot be started: ${error.message}`)));
      // `close` comes after the last of its output, which the message quotes.
      child.once('close', () => reject(this.#failure(endReason(child))));
    });
    ended.catch(() => undefined);
    const late = delay(START_TIMEOUT_MS, undefined, { signal: settled.signal, ref: false }).then(() => {
      throw this.#failure(`was not ready after ${START_TIMEOUT_MS / 1000} s`);
    });
    late.catch(() => undefined);
    try {
      await Promise.race([ready === 'ipc' ? this.#told(child) : this.#probed(ready, settled.signal), ended, late]);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    } finally {
      settled.abort();
    }
  }

  async #told(child: ChildProcess): Promise<void> {
    const [message] = (await once(child, 'message')) as [ReadyMessage];
    this.urls = message.urls;
  }

  async #probed(probe: () => Promise<boolean>, settled: AbortSignal): Promise<void> {
    while (!settled.aborted && !(await probe())) await delay(PROBE_MS);
  }

  #failure(reason: string): WeirError {
    const lines = this.#log.lastLines(LINES_SHOWN).map((line) => `  ${line}`);
    const said = lines.length > 0 ? ` It said:\n${lines.join('\n')}\n ` : '';
    return new WeirError('UP_CHILD_FAILED', `${this.name} ${reason}.${said} Its log is ${this.#log.path}.`);
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

function endReason(child: ChildProcess): string {
  return child.signalCode === null ? `ended with status ${child.exitCode}` : `was ended by ${child.signalCode}`;
}
