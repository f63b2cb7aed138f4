/**
 * The floor: a bare node:http server that hands out one playlist and one part, the playlist to all who wait at each tick,
 * as blocking reloads are. `node floor.ts PART_MS PLAYLIST_BYTES PART_BYTES`; prints its port.
 */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const [partMs = 500, playlistBytes = 1_000, partBytes = 50_000] = process.argv.slice(2).map(Number);
const playlist = Buffer.alloc(playlistBytes, 'x');
const part = Buffer.alloc(partBytes, 7);
let waiting: ServerResponse[] = [];

const server = createServer({ noDelay: true }, (request, response) => {
  if (request.url?.startsWith('/part')) {
    response.writeHead(200, { 'Content-Type': 'video/iso.segment', 'Content-Length': part.length }).end(part);
  } else waiting.push(response);
});
setInterval(() => {
  const ready = waiting;
  waiting = [];
  for (const response of ready) {
    response.writeHead(200, { 'Content-Type': 'application/vnd.apple.mpegurl', 'Content-Length': playlist.length });
    response.end(playlist);
  }
}, partMs);
server.listen(0, '127.0.0.1', 4_096, () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
