/**
 * The embedded engine: one data directory, a session for each request, gates that bound how many run at once, pipes for
 * results, a folder for rows on their way in. Comes after the HTTP front; nothing here knows HTTP.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@weir/contracts/logger';
import { type Binding, loadBinding } from './binding.ts';
import { Gate } from './gate.ts';
import { PipePool } from './pipes.ts';
import { type EngineSession, openSession, quoteString, type RunResult, type SessionSetup } from './session.ts';

/** Threads of the pool that no query takes: gzip, files and KILL go on when all places are taken. */
const SPARE_THREADS = 4;
const QUEUE_LENGTH = 256;
const MAX_WAIT_MS = 10_000;
const CANCEL_AGAIN_MS = 250;

/** What the engine says about itself. */
export interface EngineIdentity {
  displayName: string;
  /** e.g. `26.7.2.1`. */
  version: string;
  timezone: string;
}

/** One request's turn at the engine: a place at a gate, held until its work is done. */
export interface Turn {
  readonly pipes: PipePool;
  /**
   * `sql` as the engine's own parser reads it, written out on one line without comments: one statement, nothing hidden.
   * @throws Error of the engine, SYNTAX_ERROR, for what is no statement or more than one.
   */
  normalise(sql: string): Promise<string>;
  /** Runs one statement in a session of its own. */
  run(setup: Omit<SessionSetup, 'marker'>, sql: string, format?: string): Promise<RunResult>;
  /** Has the engine end what this turn runs; resolves when it did. */
  cancel(): Promise<void>;
}

/** The open engine; one per process and data directory. */
export class Engine {
  readonly identity: EngineIdentity;
  /** Names of all table functions the engine has. */
  readonly tableFunctions: readonly string[];
  readonly #folder: string;
  readonly #binding: Binding;
  /** Keeps the data open while no request has a session. */
  readonly #anchor: EngineSession;
  readonly #pipes: PipePool;
  readonly #gates: { reads: Gate; writes: Gate };
  readonly #logger: Logger;
  readonly #settingNames: ReadonlySet<string>;
  #spooled = 0;

  private constructor(parts: EngineParts) {
    this.identity = parts.identity;
    this.tableFunctions = parts.tableFunctions;
    this.#settingNames = parts.settingNames;
    this.#folder = parts.folder;
    this.#binding = parts.binding;
    this.#anchor = parts.anchor;
    this.#pipes = parts.pipes;
    this.#logger = parts.logger;
    const bounds = { queueLength: QUEUE_LENGTH, maxWaitMs: MAX_WAIT_MS };
    this.#gates = {
      reads: new Gate({ name: 'queries', places: parts.places.reads, ...bounds }),
      writes: new Gate({ name: 'writes', places: parts.places.writes, ...bounds }),
    };
  }

  /**
   * Opens the data in `folder`, which the caller has locked.
   * @param threads Threads of libuv's pool.
   * @throws Error of the engine when the data cannot be opened.
   */
  static async open(folder: string, threads: number, logger: Logger): Promise<Engine> {
    const places = dividePlaces(threads);
    const spool = join(folder, 'spool');
    await rm(spool, { recursive: true, force: true });
    await mkdir(spool, { recursive: true, mode: 0o700 });
    const pipes = await PipePool.create(join(folder, 'pipes'), places.reads + places.writes);
    const binding = loadBinding();
    const anchor = await openSession(binding, join(folder, 'data'));
    const [displayName = '', version = '', timezone = ''] = await cells(
      anchor,
      'SELECT displayName(), version(), timezone()',
    );
    return new Engine({
      identity: { displayName, version, timezone },
      settingNames: new Set(await cells(anchor, 'SELECT name FROM system.settings')),
      tableFunctions: await cells(anchor, 'SELECT name FROM system.table_functions'),
      folder,
      binding,
      anchor,
      pipes,
      places,
      logger,
    });
  }

  /** True when the engine has a setting of that name. */
  hasSetting(name: string): boolean {
    return this.#settingNames.has(name);
  }

  /** A path for the rows of one INSERT; the caller removes the file. */
  spoolPath(): string {
    return join(this.#folder, 'spool', `rows-${++this.#spooled}`);
  }

  /**
   * Waits for a place, then gives `use` its turn.
   * @param kind `reads` and `writes` have places of their own, so that neither can hold up the other.
   * @throws QueryException TOO_MANY_SIMULTANEOUS_QUERIES, the signal's reason, or what `use` throws.
   */
  async take<T>(kind: 'reads' | 'writes', signal: AbortSignal, use: (turn: Turn) => Promise<T>): Promise<T> {
    const leave = await this.#gates[kind].enter(signal);
    const marker = randomUUID();
    /** Settles with the statement that runs; never rejects. */
    let active: Promise<unknown> | undefined;
    try {
      return await use({
        pipes: this.#pipes,
        normalise: (sql) => this.#normalise(sql),
        run: (setup, sql, format) => {
          const running = this.#run({ ...setup, marker }, sql, format);
          active = running
            .catch(() => {})
            .finally(() => {
              active = undefined;
            });
          return running;
        },
        cancel: async () => {
          while (active) {
            await this.#kill(marker);
            // Asked before the engine had begun, it knew of nothing to end: ask again.
            await Promise.race([active, delay(CANCEL_AGAIN_MS, undefined, { ref: false })]);
          }
        },
      });
    } finally {
      leave();
    }
  }

  /** Waits for what runs, then closes the data. Who still waits at a gate must have been sent away before. */
  async close(): Promise<void> {
    await Promise.all([this.#gates.reads.idle(), this.#gates.writes.idle()]);
    this.#anchor.close();
    await this.#pipes.close();
    this.#logger.debug({ reads: this.#gates.reads.stats, writes: this.#gates.writes.stats }, 'engine closed');
  }

  async #run(setup: SessionSetup | undefined, sql: string, format?: string): Promise<RunResult> {
    const session = await openSession(this.#binding, join(this.#folder, 'data'), setup);
    try {
      return await session.run(sql, format);
    } finally {
      session.close();
    }
  }

  async #normalise(sql: string): Promise<string> {
    const settings = new Map([['max_query_size', String(2 * sql.length + 1_048_576)]]);
    const setup = { database: '', settings, parameters: new Map(), readonly: 1, marker: '' };
    const { bytes } = await this.#run(setup, `SELECT formatQuerySingleLine(${quoteString(sql)})`, 'RawBLOB');
    return Buffer.from(bytes).toString('utf8');
  }

  async #kill(marker: string): Promise<void> {
    try {
      await this.#run(undefined, `KILL QUERY WHERE Settings['log_comment'] = ${quoteString(marker)} ASYNC`);
    } catch (error) {
      this.#logger.warn({ err: error }, 'a query could not be cancelled');
    }
  }
}

interface EngineParts {
  identity: EngineIdentity;
  settingNames: ReadonlySet<string>;
  tableFunctions: readonly string[];
  folder: string;
  binding: Binding;
  anchor: EngineSession;
  pipes: PipePool;
  places: Places;
  logger: Logger;
}

interface Places {
  reads: number;
  writes: number;
}

/** A third of the threads for writes, the rest for reads, at least one each. */
function dividePlaces(threads: number): Places {
  const usable = Math.max(2, threads - SPARE_THREADS);
  const writes = Math.max(1, Math.floor(usable / 3));
  return { writes, reads: usable - writes };
}

async function cells(session: EngineSession, sql: string): Promise<string[]> {
  const { bytes } = await session.run(sql);
  return Buffer.from(bytes)
    .toString('utf8')
    .trimEnd()
    .split(/[\t\n]/);
}
