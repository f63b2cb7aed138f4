/**
 * The embedded store: ClickHouse inside the process, behind ClickHouse's HTTP interface. The only file of this service
 * that reads configuration and builds things; `weir store` and `weir up` call it.
 */
import { once } from 'node:events';
import type { Server } from 'node:http';
import { join, resolve } from 'node:path';
import type { Config } from '@weir/contracts/config/schema';
import { ConfigError, errorMessage, WeirError } from '@weir/contracts/errors';
import { tryExclusiveLock } from '@weir/contracts/exclusive-lock';
import { listen } from '@weir/contracts/listen';
import type { Logger } from '@weir/contracts/logger';
import { forgetCutInserts } from './engine/cut-inserts.ts';
import { Engine } from './engine/engine.ts';
import { growThreadPool } from './engine/thread-pool.ts';
import { refuse } from './exceptions.ts';
import { createFront } from './http/front.ts';
import { forbiddenFunctions } from './sql/reader-guard.ts';
import type { StoreUsers } from './users.ts';

const IDLE_SWEEP_MS = 20;

/** What {@link startStore} needs. */
export interface StoreOptions {
  config: Config['store'];
  users: StoreUsers;
  logger: Logger;
}

/** A store that answers. */
export interface RunningStore {
  /** e.g. `http://127.0.0.1:8123`. */
  url: string;
  port: number;
  /** Ends reads, waits for writes, closes the data; resolves when the directory is free. */
  close(): Promise<void>;
}

/**
 * Starts the store and resolves when it answers. One per process: the engine has one data directory per process.
 * @throws ConfigError `STORE_USERS`, `STORE_DIR_UNUSABLE`; WeirError `STORE_DIR_IN_USE`, `STORE_PORT_TAKEN`, `STORE_OPEN_FAILED`.
 */
export async function startStore({ config, users, logger }: StoreOptions): Promise<RunningStore> {
  if (users.writer.name === users.reader.name) {
    throw new ConfigError(
      'STORE_USERS',
      `The writing and the reading user of the store are both "${users.writer.name}": give them different names.`,
    );
  }
  const dataDir = resolve(config.dataDir);
  if (/[*?{}]/.test(dataDir)) {
    // FROM INFILE would take it for a pattern, find no file and insert nothing.
    throw new ConfigError(
      'STORE_DIR_UNUSABLE',
      `The store cannot have its data in ${dataDir}: choose a folder for store.dataDir without * ? { } in its path.`,
    );
  }
  const threads = await growThreadPool();
  const lock = tryExclusiveLock(join(dataDir, 'lock'));
  if (!lock) {
    throw new WeirError(
      'STORE_DIR_IN_USE',
      `Another store has its data in ${dataDir}: stop it or set store.dataDir to another folder.`,
    );
  }
  const closing = new AbortController();
  let engine: Engine | undefined;
  try {
    engine = await openEngine(dataDir, threads, logger);
    const forbidden = forbiddenFunctions(engine.tableFunctions);
    const server = createFront({ engine, users, limits: config, forbidden, logger, closing: closing.signal });
    const port = await listen(server, { host: config.host, port: config.port, key: 'store.port', part: 'STORE' });
    const url = `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`;
    logger.info({ url, dataDir, version: engine.identity.version, threads }, 'store ready');
    const opened = engine;
    let closed: Promise<void> | undefined;
    return {
      url,
      port,
      close() {
        closed ??= stop(server, closing, opened).finally(() => lock.release());
        return closed;
      },
    };
  } catch (error) {
    await engine?.close();
    lock.release();
    throw error;
  }
}

async function openEngine(dataDir: string, threads: number, logger: Logger): Promise<Engine> {
  try {
    forgetCutInserts(join(dataDir, 'data', 'store'), logger);
    return await Engine.open(dataDir, threads, logger);
  } catch (error) {
    throw new WeirError('STORE_OPEN_FAILED', `The store cannot open its data in ${dataDir}: ${errorMessage(error)}`, {
      cause: error,
    });
  }
}

async function stop(server: Server, closing: AbortController, engine: Engine): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  closing.abort(refuse('ABORTED', 'The store is closing'));
  // A connection kept alive becomes idle only when its last answer is out.
  const sweep = setInterval(() => server.closeIdleConnections(), IDLE_SWEEP_MS);
  await closed;
  clearInterval(sweep);
  await engine.close();
}
