/**
 * A real copy of ingest for tests, in a process of its own and on a free port, against given NATS and ClickHouse: it can
 * be killed and started again under the same name.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { PartialConfig } from '@weir/contracts/config/schema';
import { WeirError } from '@weir/contracts/errors';
import { INGEST_FLAGS } from '@weir/ingest/process-flags';
import type { TestNats } from './nats.ts';
import type { TestStore } from './store.ts';

/** Options of {@link startTestIngest}. */
export interface TestIngestOptions {
  nats: Pick<TestNats, 'url'>;
  store: Pick<TestStore, 'url' | 'writer'>;
  /** Keys of the configuration besides the addresses. `WEIR_TEST_LOG` in the environment sets the log level. */
  config?: PartialConfig;
}

/** A running copy. */
export interface TestIngest {
  /** Of the present process. */
  readonly url: string;
  readonly name: string;
  /** Process id of the present copy; 0 while none runs. */
  readonly pid: number;
  /** Ends the copy as a power cut would and waits until it is gone. */
  kill9(): Promise<void>;
  /** Ends it in good order and waits until it is gone. */
  stop(): Promise<void>;
  /** Starts it again with the same configuration (stops it first when it runs). */
  restart(): Promise<void>;
  /** Status and body of `/readyz`. */
  ready(): Promise<{ status: number; reasons: string[] }>;
  /** Sum of all series of a metric in `/metrics` whose labels hold all of `labels`; 0 when there is none. */
  metric(name: string, labels?: Record<string, string>): Promise<number>;
  /** Partitions this copy writes now, ascending. */
  partitions(): Promise<number[]>;
  /** Stops the process as if it hung, or lets it go on. */
  hang(): void;
  goOn(): void;
  close(): Promise<void>;
}

const PROCESS = fileURLToPath(new URL('./ingest-process.ts', import.meta.url));

interface Running {
  child: ChildProcess;
  url: string;
  name: string;
}

/**
 * Starts a copy and resolves when it listens; it may take a moment to own partitions.
 * @throws WeirError with ingest's own code (`INGEST_PORT_TAKEN` …) when it could not start.
 */
export async function startTestIngest(options: TestIngestOptions): Promise<TestIngest> {
  const { nats, store, config = {} } = options;
  const values: PartialConfig = {
    log: { level: (process.env.WEIR_TEST_LOG as 'error' | undefined) ?? 'error' },
    ...config,
    // its own samples would stand among those a test counts
    ingest: { host: '127.0.0.1', port: 0, selfTelemetry: false, ...config.ingest },
    nats: { servers: [nats.url], ...config.nats },
    clickhouse: { url: store.url, user: store.writer.name, password: store.writer.password, ...config.clickhouse },
  };
  let running: Running = await launch(values);

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const { child } = running;
    if (hasEnded(child)) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  };

  return {
    get url() {
      return running.url;
    },
    get name() {
      return running.name;
    },
    get pid() {
      return hasEnded(running.child) ? 0 : (running.child.pid ?? 0);
    },
    kill9: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    async restart() {
      await end('SIGTERM');
      running = await launch(values);
    },
    async ready() {
      const response = await fetch(`${running.url}/readyz`);
      const { reasons } = (await response.json()) as { reasons: string[] };
      return { status: response.status, reasons };
    },
    async metric(name, labels = {}) {
      const response = await fetch(`${running.url}/metrics`);
      return sumOf(await response.text(), name, labels);
    },
    async partitions() {
      const text = await (await fetch(`${running.url}/metrics`)).text();
      return [...text.matchAll(/^weir_ingest_owned\{partition="(\d+)"\} 1/gm)]
        .map((match) => Number(match[1]))
        .sort((a, b) => a - b);
    },
    hang() {
      running.child.kill('SIGSTOP');
    },
    goOn() {
      running.child.kill('SIGCONT');
    },
    async close() {
      running.child.kill('SIGCONT');
      await end('SIGTERM');
    },
  };
}

function sumOf(text: string, name: string, labels: Record<string, string>): number {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  let sum = 0;
  for (const line of text.split('\n')) {
    const match = /^([a-z_]+)(?:\{(.*)\})? (\S+)/.exec(line);
    if (match?.[1] === name && wanted.every((label) => (match[2] ?? '').split(',').includes(label)))
      sum += Number(match[3]);
  }
  return sum;
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function launch(values: PartialConfig): Promise<Running> {
  const child = spawn(process.execPath, [...INGEST_FLAGS, PROCESS, JSON.stringify(values)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const killWithUs = (): boolean => child.kill('SIGKILL');
  process.once('exit', killWithUs);
  child.once('exit', () => process.removeListener('exit', killWithUs));
  const [line] = (await Promise.race([
    once(createInterface(child.stdout), 'line'),
    once(child, 'exit').then(([code]) => [
      JSON.stringify({ code: 'INGEST_EXITED', message: `Ingest ended with ${code}.` }),
    ]),
  ])) as [string];
  const answer = JSON.parse(line) as { url: string; name: string } | { code: string; message: string };
  if ('url' in answer) return { child, ...answer };
  if (!hasEnded(child)) await once(child, 'exit');
  throw new WeirError(answer.code, answer.message);
}
