/**
 * Fan-out of RTMP servers side by side in one run: what a viewer costs, how soon it sees something, and whether it gets
 * everything. The server is pinned to core 0, publisher and viewers to core 1; CPU is the server's run time by the
 * scheduler's account. Absolute figures hold for this machine and hour only: the ratios are what counts.
 *
 *   npm run bench -- rtmp [--viewers 150,450,1600] [--servers weir-350,stock,nginx,floor-350] [--for 15]
 *                         [--rounds 1] [--peer name=rtmp://host:port/app/stream,pid]… [--json]
 */
import { parseArgs } from 'node:util';
import { distinct, median, ratio } from './rtmp/figures.ts';
import { type Measurement, measure } from './rtmp/measure.ts';
import { type Contender, contender, contenders, peer } from './rtmp/servers.ts';
import { printRow, printTitle } from './rtmp/table.ts';

const { values } = parseArgs({
  options: {
    viewers: { type: 'string', default: '450,1600' },
    servers: { type: 'string', default: '' },
    peer: { type: 'string', multiple: true, default: [] },
    for: { type: 'string', default: '12' },
    rounds: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});

const counts = values.viewers.split(',').map(Number);
const servers = values.servers === '' ? contenders() : values.servers.split(',').map(contender);
const chosen: Contender[] = [...servers, ...values.peer.map(peer)];
const say = (line: string) => (values.json ? process.stderr : process.stdout).write(`${line}\n`);

const results: Measurement[] = [];
printTitle(say);
for (const viewers of counts) {
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const server of chosen) {
      const reason = server.missing?.();
      if (reason !== undefined) {
        if (round === 0) say(`${server.name.padEnd(16)} left out: ${reason}`);
        continue;
      }
      const result = await measure(server, { viewers, seconds: Number(values.for) });
      results.push(result);
      printRow(say, result);
    }
  }
}

const cost = (server: string, viewers: number): number | undefined =>
  median(
    results.filter((one) => one.server === server && one.viewers === viewers).map((one) => one.microsPerViewerSecond),
  );
const ratios: Record<string, number> = {};
for (const viewers of counts) {
  for (const mine of distinct(results.map((one) => one.server).filter((name) => name.startsWith('weir')))) {
    for (const other of distinct(results.map((one) => one.server).filter((name) => !name.startsWith('weir')))) {
      const value = ratio(cost(mine, viewers), cost(other, viewers));
      if (value !== undefined) ratios[`${mine}/${other}@${viewers}`] = value;
    }
  }
}
process.stdout.write(`${JSON.stringify({ bench: 'rtmp', ratios, results })}\n`);
