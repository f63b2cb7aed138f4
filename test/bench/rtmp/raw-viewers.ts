/** Viewers of the floor: sockets that count bytes. `node raw-viewers.ts PORT VIEWERS SECONDS`; prints figures as JSON. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { distribution } from '@weir/cli/load/distribution';

const [port, viewers = 0, seconds = 0] = process.argv.slice(2).map(Number);
const buffer = Buffer.allocUnsafe(262_144);
const bytes: number[] = new Array<number>(viewers).fill(0);
for (let index = 0; index < viewers; index += 1) {
  const callback = (length: number): boolean => {
    bytes[index] = (bytes[index] ?? 0) + length;
    return true;
  };
  const socket = connect({ host: '127.0.0.1', port: Number(port), onread: { buffer, callback } });
  await once(socket, 'connect');
}
await delay(2_000);
process.stderr.write('measuring\n');
const before = [...bytes];
const cpu = process.cpuUsage();
await delay(seconds * 1_000);
const { user, system } = process.cpuUsage(cpu);
const bits = bytes.map((count, index) => ((count - (before[index] ?? 0)) * 8) / seconds);
const none = distribution([]);
const figures = {
  viewers,
  failed: 0,
  lost: 0,
  whole: bits.filter((rate) => rate > 0).length,
  bitsPerSecond: distribution(bits, 0),
  connectMs: none,
  firstFrameMs: none,
  sampled: { longestGapMs: none },
  ownCpu: Number(((user + system) / 1e6 / seconds).toFixed(3)),
};
process.stdout.write(`${JSON.stringify(figures)}\n`);
process.exit(0);
