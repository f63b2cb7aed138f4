/**
 * A real nats-server with JetStream for tests: on a free port, in its own data directory, that can be killed, stopped
 * and started again on the same port with the same data. Before it: nothing; after it: whatever part is under test.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** Options of {@link startNats}. */
export interface NatsOptions {
  /** Folder of the JetStream data; kept at the end when given. Default: a temporary one that `close()` removes. */
  dataDir?: string;
  /** Default: a free one. */
  port?: number;
  /** Further command-line arguments, e.g. `['--user', 'a', '--pass', 'b']`. */
  args?: readonly string[];
}

/** Totals of a server. */
export interface NatsTraffic {
  messagesIn: number;
  messagesOut: number;
  bytesIn: number;
  bytesOut: number;
}

/** A running nats-server. */
export interface TestNats {
  /** `nats://127.0.0.1:<port>`; the same after a restart. */
  readonly url: string;
  readonly port: number;
  readonly dataDir: string;
  /** What the server has counted since it started: messages and bytes of all clients, in and out. */
  traffic(): Promise<NatsTraffic>;
  /** Process id of the present server; 0 while none runs. */
  readonly pid: number;
  /** Ends the server as a power cut would and waits until it is gone. */
  kill9(): Promise<void>;
  /** Ends the server in good order and waits until it is gone. */
  stop(): Promise<void>;
  /** Starts it again on the same port with the same data (stops it first when it runs). */
  restart(): Promise<void>;
  /** Stops the server and removes its temporary folder. */
  close(): Promise<void>;
}

/** Its first start from a cold, slow disk takes long. */
const START_TIMEOUT_MS = 60_000;

/** Starts a nats-server with JetStream and resolves when it takes connections. */
export async function startNats(options: NatsOptions = {}): Promise<TestNats> {
  const ownDir = options.dataDir === undefined;
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'weir-nats-'));
  let running = await launch(dataDir, options.port ?? -1, options.args ?? []);
  const port = running.port;

  const end = async (signal: NodeJS.Signals) => {
    const { child } = running;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  };

  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    dataDir,
    get pid() {
      const { child } = running;
      return child.exitCode === null && child.signalCode === null ? (child.pid ?? 0) : 0;
    },
    async traffic() {
      const varz = (await (await fetch(`${running.monitor}/varz`)).json()) as Record<string, number>;
      const {
        in_msgs: messagesIn = 0,
        out_msgs: messagesOut = 0,
        in_bytes: bytesIn = 0,
        out_bytes: bytesOut = 0,
      } = varz;
      return { messagesIn, messagesOut, bytesIn, bytesOut };
    },
    kill9: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    async restart() {
      await end('SIGTERM');
      running = await launch(dataDir, port, options.args ?? []);
    },
    async close() {
      await end('SIGTERM');
      if (ownDir) rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

async function launch(
  dataDir: string,
  port: number,
  args: readonly string[],
): Promise<{ child: ChildProcess; port: number; monitor: string }> {
  const portsDir = join(dataDir, 'ports');
  rmSync(portsDir, { recursive: true, force: true });
  mkdirSync(portsDir, { recursive: true });
  const child = spawn(
    'nats-server',
    ['-a', '127.0.0.1', '-p', String(port), '-m', '-1', '-js', '-sd', dataDir, '--ports_file_dir', portsDir, ...args],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const killWithUs = () => child.kill('SIGKILL');
  process.once('exit', killWithUs);
  child.once('exit', () => process.removeListener('exit', killWithUs));
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-4_000);
  });
  let failure: Error | undefined;
  child.once('error', (error) => {
    failure = error;
  });
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < deadline) {
    if (failure) throw failure;
    if (child.exitCode !== null) throw new Error(`nats-server ended at start:\n${log}`);
    const found = readPorts(portsDir);
    if (found !== undefined) return { child, ...found };
    await delay(10);
  }
  child.kill('SIGKILL');
  throw new Error(`nats-server was not ready after ${START_TIMEOUT_MS} ms:\n${log}`);
}

/** The ports out of the file the server writes once it listens, or undefined while it is not (wholly) there. */
function readPorts(portsDir: string): { port: number; monitor: string } | undefined {
  const [file] = readdirSync(portsDir);
  if (file === undefined) return undefined;
  try {
    const ports = JSON.parse(readFileSync(join(portsDir, file), 'utf8')) as { nats?: string[]; monitoring?: string[] };
    const [url, monitor] = [ports.nats?.[0], ports.monitoring?.[0]];
    return url === undefined || monitor === undefined ? undefined : { port: Number(new URL(url).port), monitor };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
