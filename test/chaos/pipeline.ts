/**
 * `npm run test:chaos -- pipeline [--seed 1] [--seconds 600] [--every 10] [--settle 180] [--json]`: the whole pipeline
 * while a random part is killed every few seconds; sums and counts must be exact at every level in the end. Ends with
 * status 1 when something did not hold.
 */
import { parseArgs } from 'node:util';
import { runPipelineChaos } from './pipeline-run.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '600' },
    every: { type: 'string', default: '10' },
    settle: { type: 'string', default: '180' },
    json: { type: 'boolean', default: false },
  },
});
const figures = await runPipelineChaos({
  seed: Number(values.seed),
  blows: Math.ceil(Number(values.seconds) / Number(values.every)),
  everyMs: Number(values.every) * 1_000,
  settleMs: Number(values.settle) * 1_000,
  say: (line) => process.stderr.write(`${new Date().toISOString().slice(11, 23)} ${line}\n`),
});
console.log(values.json ? JSON.stringify(figures) : figures);
process.exitCode = figures.problems.length === 0 ? 0 : 1;
