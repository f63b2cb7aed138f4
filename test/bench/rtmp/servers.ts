/** The servers of the bench: ours with several windows, the stock library, nginx-rtmp, bare sockets, and what is given. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A server under test while it runs. */
export interface RunningServer {
  host: string;
  port: number;
  app: string;
  stream: string;
  pid: number;
  /** False when it is not ours to publish to (bare sockets, a peer that has its publisher). */
  publish: boolean;
  /** `rtmp`, or bare sockets that only send. */
  speaks: 'rtmp' | 'bytes';
  /** Longest flush of the last ten seconds, for servers that tell. */
  longestFlushMs?(): Promise<number>;
  stop(): Promise<void>;
}

/** A server that can be started. */
export interface Contender {
  name: string;
  /** Why it cannot run here, or undefined. */
  missing?(): string | undefined;
  start(): Promise<RunningServer>;
}

const SERVER_CORE = '0';
const CLI = fileURLToPath(new URL('../../../services/cli/src/main.ts', import.meta.url));
const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const NGINX_MODULE = '/usr/lib/nginx/modules/ngx_rtmp_module.so';

/** The servers that are measured when none is named. */
export function contenders(): Contender[] {
  return [
    weir('weir-350', 350, 350),
    weir('weir-100', 100, 100),
    weir('weir-50', 50, 50),
    weir('weir-0', 0, 0),
    weir('weir-adaptive', 0, 350),
    {
      name: 'stock',
      start: () => startProcess((port) => [process.execPath, here('./stock-node-media-server.ts'), `${port}`]),
    },
    nginx(),
    floor('floor-350', 350),
    floor('floor-100', 100),
  ];
}

/** A built-in server by its name; `weir-N` and `floor-N` for any window of N ms. @throws Error when there is none. */
export function contender(name: string): Contender {
  const found = contenders().find((one) => one.name === name);
  if (found) return found;
  const [, kind, window] = /^(weir|floor)-(\d{1,5})$/.exec(name) ?? [];
  if (kind === 'weir') return weir(name, Number(window), Number(window));
  if (kind === 'floor') return floor(name, Number(window));
  const names = contenders().map((one) => one.name);
  throw new Error(
    `There is no server "${name}"; known are ${names.join(', ')}, and weir-N and floor-N for a window of N ms.`,
  );
}

/** A server somebody runs: `name=rtmp://host:port/app/stream,pid`, with its own publisher. */
export function peer(text: string): Contender {
  const match = /^([^=]+)=rtmp:\/\/([^:/]+):(\d+)\/([^/]+)\/([^,]+),(\d+)$/.exec(text);
  if (!match) throw new Error(`--peer must be name=rtmp://host:port/app/stream,pid, but is "${text}".`);
  const [, name = '', host = '', port, app = '', stream = '', pid] = match;
  const running = { host, port: Number(port), app, stream, pid: Number(pid), publish: false, speaks: 'rtmp' as const };
  return { name, start: async () => ({ ...running, stop: async () => undefined }) };
}

function weir(name: string, minMs: number, maxMs: number): Contender {
  return {
    name,
    async start() {
      const folder = mkdtempSync(join(tmpdir(), 'weir-bench-'));
      const adminPort = await freePort();
      const flags = {
        'admin-port': adminPort,
        'rtmp-host': '127.0.0.1',
        'http-port': 0,
        'relay-port': 0,
        'relay-keys': 'bench',
        'node-name': 'bench',
        'node-workers': 1, // one core is what is measured
        'nats-servers': 'nats://127.0.0.1:1', // away: media does not need it, telemetry goes to the outbox
        'node-data-dir': join(folder, 'node'),
        'machine-state-dir': join(folder, 'machine'),
        'stream-merge-window-min-ms': minMs,
        'stream-merge-window-max-ms': maxMs,
        'limits-connections': 20_000,
        'log-level': 'silent',
      };
      const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, `${value}`]);
      const server = await startProcess((port) => [process.execPath, CLI, 'edge', '--rtmp-port', `${port}`, ...args]);
      return {
        ...server,
        async longestFlushMs() {
          const response = await fetch(`http://127.0.0.1:${adminPort}/v1/node`);
          return ((await response.json()) as { longestFlushMs: number }).longestFlushMs;
        },
        async stop() {
          await server.stop();
          rmSync(folder, { recursive: true, force: true });
        },
      };
    },
  };
}

function nginx(): Contender {
  const found = ['/usr/sbin/nginx', '/usr/bin/nginx'].find((path) => existsSync(path));
  return {
    name: 'nginx',
    missing: () =>
      found && existsSync(NGINX_MODULE) ? undefined : 'install Debian’s nginx and libnginx-mod-rtmp to compare it',
    start: () =>
      startProcess((port) => {
        const folder = mkdtempSync(join(tmpdir(), 'weir-bench-nginx-'));
        const file = join(folder, 'nginx.conf');
        writeFileSync(
          file,
          `load_module ${NGINX_MODULE};
daemon off; master_process off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
worker_rlimit_nofile 20000;
events { worker_connections 20000; }
rtmp { server { listen 127.0.0.1:${port}; chunk_size 4096; application live { live on; } } }
`,
        );
        return [found as string, '-c', file, '-p', folder];
      }),
  };
}

function floor(name: string, windowMs: number): Contender {
  return {
    name,
    start: async () => ({
      ...(await startProcess((port) => [process.execPath, here('./floor.ts'), `${port}`, `${windowMs}`])),
      publish: false,
      speaks: 'bytes',
    }),
  };
}

/** Starts a program pinned to the server's core and waits until it listens. */
async function startProcess(commandFor: (port: number) => string[]): Promise<RunningServer> {
  const port = await freePort();
  const command = commandFor(port);
  const pinned = spawnSync('taskset', ['--version']).status === 0 ? ['taskset', '-c', SERVER_CORE] : [];
  const [program = '', ...args] = [...pinned, ...command];
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await listening(port, () => child.exitCode !== null);
  return {
    host: '127.0.0.1',
    port,
    app: 'live',
    stream: 'bench',
    pid: child.pid as number,
    publish: true,
    speaks: 'rtmp',
    async stop() {
      child.kill('SIGTERM');
      const hard = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await ended;
      clearTimeout(hard);
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

/** Listening sockets are read from the kernel: a test connection would be a phantom client. */
async function listening(port: number, ended: () => boolean): Promise<void> {
  const end = performance.now() + 20_000;
  for (;;) {
    if (ended()) throw new Error(`The server for port ${port} ended before it listened.`);
    const { stdout } = spawnSync('ss', ['-Hltn', `sport = :${port}`], { encoding: 'utf8' });
    if (stdout.trim() !== '') return;
    if (performance.now() > end) throw new Error(`Nobody listens on port ${port} after 20 s.`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
