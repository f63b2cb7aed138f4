/**
 * The floor: no protocol, one shared buffer written to every socket each window. What nothing on Node can beat.
 * `node floor.ts PORT WINDOW_MS [BITS_PER_SECOND]`
 */
import { createServer, type Socket } from 'node:net';

const [port, windowMs, bitsPerSecond = 820_000] = process.argv.slice(2).map(Number);
const sockets = new Set<Socket>();
const shared = Buffer.alloc(Math.round((Number(bitsPerSecond) / 8) * (Number(windowMs) / 1_000)), 7);

const server = createServer({ noDelay: true }, (socket) => {
  sockets.add(socket);
  socket.on('error', () => undefined);
  socket.on('close', () => sockets.delete(socket));
});
server.listen(port, '127.0.0.1', 4_096);
setInterval(() => {
  for (const socket of sockets) socket.write(shared);
}, Number(windowMs));
