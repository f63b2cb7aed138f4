/**
 * A small stand-in for an edge where fail-over is timed: says its name, echoes, or sends bytes at a rate; answers the
 * directors' health check and question for its weight. node stand-in-edge.ts NAME RTMP_PORT HTTP_PORT RELAY_PORT [HOST=address]
 */
import { createServer } from 'node:http';
import { createServer as createTcpServer, type Socket } from 'node:net';

const [name = '', rtmpPort, httpPort, relayPort] = process.argv.slice(2);
const host = process.env.HOST ?? '0.0.0.0';
const TICK_MS = 100;
let weight = 100;

/** `D<bytes per second>` as first bytes turns the echo into a download. */
function serve(socket: Socket): void {
  let download: NodeJS.Timeout | undefined;
  socket.on('error', () => undefined);
  socket.on('close', () => clearInterval(download));
  socket.write(`${name}\n`);
  socket.on('data', (data) => {
    const rate = /^D(\d+)\n/.exec(data.toString('latin1'))?.[1];
    if (rate === undefined) {
      if (!download) socket.write(data);
      return;
    }
    const chunk = Buffer.alloc((Number(rate) * TICK_MS) / 1_000);
    download = setInterval(() => socket.write(chunk), TICK_MS);
  });
}

for (const port of [rtmpPort, relayPort]) createTcpServer(serve).listen(Number(port), host);
createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://stub');
  const set = url.searchParams.get('set');
  if (set !== null) weight = Number(set);
  if (url.pathname === '/weight') response.end(`${weight}\n`);
  else if (url.pathname === '/healthz') response.end('{"status":"ok"}\n');
  else response.writeHead(404).end();
}).listen(Number(httpPort), host, () => process.stdout.write('ready\n'));
