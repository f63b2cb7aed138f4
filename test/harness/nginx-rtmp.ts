/** A real nginx with its RTMP module, for tests with servers that are no members of the cluster. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { waitFor } from './wait.ts';

const run = promisify(execFile);

/** A running nginx. */
export interface TestNginx {
  readonly port: number;
  /** `rtmp://127.0.0.1:<port>/<app/name>`. */
  url(stream: string): string;
  /** Ends it as a power cut would. */
  kill9(): Promise<void>;
  /** Starts it again on the same port. */
  start(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Starts nginx with `applications` (the inside of its RTMP server block, e.g. `application live { live on; }`).
 * The programs must be there: `whyWithout(['nginx'])`.
 */
export async function startNginx(applications: string): Promise<TestNginx> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-nginx-'));
  const port = await freePort();
  const config = join(folder, 'nginx.conf');
  const modules = (await run('nginx', ['-V'])).stderr.match(/--modules-path=(\S+)/)?.[1] ?? '/usr/lib/nginx/modules';
  writeFileSync(
    config,
    `load_module ${modules}/ngx_rtmp_module.so;
     daemon off; master_process off; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/error.log;
     events {}
     rtmp { server { listen 127.0.0.1:${port}; ${applications} } }`,
  );
  let end: (signal: NodeJS.Signals) => Promise<void> = async () => {};
  const start = async () => {
    const child = spawn('nginx', ['-c', config, '-p', folder], { stdio: 'ignore' });
    const ended = once(child, 'exit');
    const killWithUs = () => child.kill('SIGKILL');
    process.once('exit', killWithUs);
    end = async (signal) => {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      await ended;
      process.removeListener('exit', killWithUs);
    };
    await waitFor('nginx', async () => {
      const socket = connect(port, '127.0.0.1');
      try {
        await once(socket, 'connect');
        return true;
      } finally {
        socket.destroy();
      }
    });
  };
  await start();
  return {
    port,
    url: (stream) => `rtmp://127.0.0.1:${port}/${stream}`,
    kill9: () => end('SIGKILL'),
    start,
    async close() {
      await end('SIGTERM');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A port nobody listens on; nginx cannot be asked for one of its own choice. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
