/** Starts a whole Weir as a user would (`weir up --demo --json --ports auto`) and gives its addresses and a SQL client. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type ClickHouseClient, createClient } from '@clickhouse/client';

/** One node as `weir up --json` prints it. */
export interface SystemNode {
  name: string;
  role: 'edge' | 'origin';
  pid: number;
  rtmp: string;
  http: string;
  ports: { rtmp: number; relay: number; http: number };
}

/** What `weir up --json` prints when ready. */
export interface SystemReady {
  ready: true;
  pid: number;
  dataDir: string;
  readyMs: number;
  urls: Record<string, string>;
  pids: Record<string, number>;
  nodes: SystemNode[];
}

/** A running system; `close()` stops it and removes its data. */
export interface TestSystem {
  ready: SystemReady;
  child: ChildProcess;
  node(name: string): SystemNode;
  /** Client of the read-only user. */
  sql: ClickHouseClient;
  /** Rows of a query. */
  rows<Row>(query: string): Promise<Row[]>;
  /** Pids as of now: a part that was started again has a new one. */
  pids(): Record<string, number>;
  /** Stops it and resolves with the exit status. */
  stop(): Promise<number | null>;
  close(): Promise<void>;
}

const CLI = fileURLToPath(new URL('../../services/cli/src/main.ts', import.meta.url));

/** Starts `weir up` with `args` in a folder of its own; rejects with what it wrote when it ends before it is ready. */
export async function startSystem(args: readonly string[] = ['--demo']): Promise<TestSystem> {
  const dataDir = mkdtempSync(join(tmpdir(), 'weir-system-'));
  const child = spawn(
    process.execPath,
    [CLI, 'up', ...args, '--json', '--ports', 'auto', '--data', join(dataDir, 'weir')],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let complaints = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaints = (complaints + text).slice(-20_000);
  });
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const exited = once(child, 'exit');
  const first = await Promise.race([
    once(lines, 'line').then(([line]) => String(line)),
    exited.then(([status]) => {
      throw new Error(`weir up ended with status ${status} before it was ready:\n${complaints}`);
    }),
  ]);
  const ready = JSON.parse(first) as SystemReady;
  const readState = () =>
    JSON.parse(readFileSync(join(ready.dataDir, 'run.json'), 'utf8')) as {
      pids: Record<string, number>;
      config: { clickhouse: { url: string; readUser: string; readPassword: string; database: string } };
    };
  const { clickhouse } = readState().config;
  const sql = createClient({
    url: clickhouse.url,
    username: clickhouse.readUser,
    password: clickhouse.readPassword,
    database: clickhouse.database,
  });
  const stop = async (): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGINT');
    await exited;
    return child.exitCode;
  };
  return {
    ready,
    child,
    sql,
    node(name) {
      const found = ready.nodes.find((node) => node.name === name);
      if (!found) throw new Error(`no node ${name} among ${ready.nodes.map((node) => node.name).join(', ')}`);
      return found;
    },
    async rows<Row>(query: string): Promise<Row[]> {
      const answer = await sql.query({ query, format: 'JSONEachRow' });
      return answer.json<Row>();
    },
    pids: () => readState().pids,
    stop,
    async close() {
      await sql.close();
      await stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
