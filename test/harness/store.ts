/**
 * A real store for tests, in a process of its own, on a free port and in its own data directory: it can be killed and
 * started again on the same port with the same data. Before it: nothing; after it: whatever writes to or reads from ClickHouse.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import {
  type ClickHouseClient,
  type ClickHouseClientConfigOptions,
  ClickHouseLogLevel,
  createClient,
} from '@clickhouse/client';
import type { Config } from '@weir/contracts/config/schema';
import { WeirError } from '@weir/contracts/errors';

/** Name and password of a user. */
export interface TestCredentials {
  readonly name: string;
  readonly password: string;
}

/** Options of {@link startTestStore}: any key of the configuration's `store` section; by default free port and own folder. */
export type TestStoreOptions = Partial<Config['store']>;

/** A running store. */
export interface TestStore {
  /** `http://127.0.0.1:<port>`; the same after a restart. */
  readonly url: string;
  readonly port: number;
  readonly dataDir: string;
  readonly writer: TestCredentials;
  readonly reader: TestCredentials;
  /** Process id of the present store; 0 while none runs. */
  readonly pid: number;
  /** A client of the writer (or as configured), closed by `close()`. */
  client(options?: ClickHouseClientConfigOptions): ClickHouseClient;
  /** Ends the store as a power cut would and waits until it is gone. */
  kill9(): Promise<void>;
  /** Ends the store in good order and waits until it is gone. */
  stop(): Promise<void>;
  /** Starts it again on the same port with the same data (stops it first when it runs). */
  restart(): Promise<void>;
  /** Closes all clients, stops the store and removes its temporary folder. */
  close(): Promise<void>;
}

const WRITER: TestCredentials = { name: 'weir', password: 'write-secret' };
const READER: TestCredentials = { name: 'weir_read', password: 'read-secret' };
/** Errors reach the test as exceptions; printed as well they would look like failures. */
const QUIET = { level: ClickHouseLogLevel.OFF };
const PROCESS = fileURLToPath(new URL('./store-process.ts', import.meta.url));

interface Running {
  child: ChildProcess;
  url: string;
  port: number;
}

/**
 * Starts a store and resolves when it answers.
 * @throws WeirError with the store's own code (`STORE_PORT_TAKEN` …) when it could not start.
 */
export async function startTestStore(options: TestStoreOptions = {}): Promise<TestStore> {
  const ownDir = options.dataDir === undefined;
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'weir-store-'));
  const clients: ClickHouseClient[] = [];
  const config = { host: '127.0.0.1', ...options, dataDir };
  let running: Running;
  try {
    running = await launch({ ...config, port: options.port ?? 0 });
  } catch (error) {
    if (ownDir) rmSync(dataDir, { recursive: true, force: true });
    throw error;
  }
  const { url, port } = running;

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const { child } = running;
    if (hasEnded(child)) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  };

  return {
    url,
    port,
    dataDir,
    writer: WRITER,
    reader: READER,
    get pid() {
      return hasEnded(running.child) ? 0 : (running.child.pid ?? 0);
    },
    client(clientOptions = {}) {
      const client = createClient({
        url,
        username: WRITER.name,
        password: WRITER.password,
        log: QUIET,
        ...clientOptions,
      });
      clients.push(client);
      return client;
    },
    kill9: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    async restart() {
      await end('SIGTERM');
      running = await launch({ ...config, port });
    },
    async close() {
      await Promise.all(clients.map((client) => client.close()));
      await end('SIGTERM');
      if (ownDir) rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function launch(config: TestStoreOptions): Promise<Running> {
  const argument = JSON.stringify({ config, users: { writer: WRITER, reader: READER } });
  const child = spawn(process.execPath, [PROCESS, argument], { stdio: ['pipe', 'pipe', 'inherit'] });
  const killWithUs = (): boolean => child.kill('SIGKILL');
  process.once('exit', killWithUs);
  child.once('exit', () => process.removeListener('exit', killWithUs));
  const [line] = (await Promise.race([
    once(createInterface(child.stdout), 'line'),
    once(child, 'exit').then(([code]) => [
      JSON.stringify({ code: 'STORE_EXITED', message: `The store ended with ${code}.` }),
    ]),
  ])) as [string];
  const answer = JSON.parse(line) as { url: string; port: number } | { code: string; message: string };
  if ('url' in answer) return { child, ...answer };
  if (!hasEnded(child)) await once(child, 'exit');
  throw new WeirError(answer.code, answer.message);
}
