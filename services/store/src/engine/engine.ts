/**
 * The embedded engine: one data directory, a session for each request, gates that bound how many run at once, pipes for
 * results, a folder for rows on their way in. Comes after the HTTP front; nothing here knows HTTP.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '@weir/contracts/logger';
import { drainPending, Session } from 'chdb';
import { Gate } from './gate.ts';
import { PipePool } from './pipes.ts';
import { type EngineSession, openSession, quoteString, type SessionSetup } from './session.ts';

/** Threads of the pool that no query takes: gzip, files and KILL go on when all places are taken. */
const SPARE_THREADS = 4;
const QUEUE_LENGTH = 256;
const MAX_WAIT_MS = 10_000;

/** What the engine says about itself. */
export interface EngineIdentity {
  displayName: string;
  /** e.g. `26.7.2.1`. */
  version: string;
  timezone: string;
}

/** One request's turn at the engine. */
export interface Turn {
  readonly session: EngineSession;
  readonly pipes: PipePool;
  /** Asks the engine to end what this turn runs; resolves when it was asked. */
  cancel(): Promise<void>;
}

/** The open engine; one per process and data directory. */
export class Engine {
  readonly identity: EngineIdentity;
  /** Names of all table functions the engine has. */
  readonly tableFunctions: readonly string[];
  readonly #folder: string;
  readonly #control: Session;
  readonly #pipes: PipePool;
  readonly #gates: { reads: Gate; writes: Gate };
  readonly #logger: Logger;
  readonly #settingNames: ReadonlySet<string>;
  #spooled = 0;

  private constructor(folder: string, control: Session, pipes: PipePool, places: Places, logger: Logger) {
    this.#folder = folder;
    this.#control = control;
    this.#pipes = pipes;
    this.#logger = logger;
    const bounds = { queueLength: QUEUE_LENGTH, maxWaitMs: MAX_WAIT_MS };
    this.#gates = {
      reads: new Gate({ name: 'queries', places: places.reads, ...bounds }),
      writes: new Gate({ name: 'writes', places: places.writes, ...bounds }),
    };
    const [displayName = '', version = '', timezone = ''] = rowsOf(
      control,
      'SELECT displayName(), version(), timezone()',
    );
    this.identity = { displayName, version, timezone };
    this.tableFunctions = rowsOf(control, 'SELECT name FROM system.table_functions');
    this.#settingNames = new Set(rowsOf(control, 'SELECT name FROM system.settings'));
  }

  /**
   * Opens the data in `folder`, which the caller has locked.
   * @param threads Threads of libuv's pool.
   * @throws ChdbError when the data cannot be opened.
   */
  static async open(folder: string, threads: number, logger: Logger): Promise<Engine> {
    const places = dividePlaces(threads);
    const spool = join(folder, 'spool');
    await rm(spool, { recursive: true, force: true });
    await mkdir(spool, { recursive: true, mode: 0o700 });
    const pipes = await PipePool.create(join(folder, 'pipes'), places.reads + places.writes);
    return new Engine(folder, new Session(join(folder, 'data')), pipes, places, logger);
  }

  /** True when the engine has a setting of that name. */
  hasSetting(name: string): boolean {
    return this.#settingNames.has(name);
  }

  /**
   * `sql` as the engine's own parser reads it, written out on one line without comments: one statement, nothing hidden.
   * @throws ChdbError SYNTAX_ERROR for what is no statement or more than one.
   */
  async normalise(sql: string): Promise<string> {
    const settings = new Map([['max_query_size', String(2 * sql.length + 1_048_576)]]);
    const setup = { database: '', settings, parameters: new Map(), readonly: 1, marker: '' };
    const session = await openSession(join(this.#folder, 'data'), setup);
    try {
      const { bytes } = await session.run(`SELECT formatQuerySingleLine(${quoteString(sql)})`, 'RawBLOB');
      return Buffer.from(bytes).toString('utf8');
    } finally {
      session.close();
    }
  }

  /** A path for the rows of one INSERT; the caller removes the file. */
  spoolPath(): string {
    return join(this.#folder, 'spool', `rows-${++this.#spooled}`);
  }

  /**
   * Waits for a place, then lends a session of its own to `use`.
   * @param kind `reads` and `writes` have places of their own, so that neither can hold up the other.
   * @throws QueryException TOO_MANY_SIMULTANEOUS_QUERIES, or what the engine or `use` throws.
   */
  async take<T>(
    kind: 'reads' | 'writes',
    setup: Omit<SessionSetup, 'marker'>,
    signal: AbortSignal,
    use: (turn: Turn) => Promise<T>,
  ): Promise<T> {
    const leave = await this.#gates[kind].enter(signal);
    try {
      const marker = randomUUID();
      const session = await openSession(join(this.#folder, 'data'), { ...setup, marker });
      try {
        return await use({ session, pipes: this.#pipes, cancel: () => this.#kill(marker) });
      } finally {
        session.close();
      }
    } finally {
      leave();
    }
  }

  /** Waits for what runs, then closes the data. */
  async close(): Promise<void> {
    await drainPending();
    this.#control.close();
    await drainPending();
    await this.#pipes.close();
    this.#logger.debug({ reads: this.#gates.reads.stats, writes: this.#gates.writes.stats }, 'engine closed');
  }

  async #kill(marker: string): Promise<void> {
    try {
      await this.#control.queryAsync(`KILL QUERY WHERE Settings['log_comment'] = ${quoteString(marker)} ASYNC`);
    } catch (error) {
      this.#logger.warn({ err: error }, 'a query could not be cancelled');
    }
  }
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

function rowsOf(session: Session, sql: string): string[] {
  return session
    .query(sql, 'TabSeparated')
    .trimEnd()
    .split(/[\t\n]/);
}
