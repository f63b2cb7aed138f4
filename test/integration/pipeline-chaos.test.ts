/** A short run of `npm run test:chaos -- pipeline`: the same parts, blows and judgement, for a few blows. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { runPipelineChaos } from '../chaos/pipeline-run.ts';

const BLOWS = 5;
const EVERY_MS = 1_500;
/** Seen: 3 to 11 s. */
const SETTLE_MS = 120_000;

it('the whole pipeline counts exactly at every level, whatever of it is killed meanwhile', async (context) => {
  // by default: both copies, the store, NATS and exporters, alone and two at a time
  const seed = Number(process.env.SEED ?? 51);
  const say = (line: string) => context.diagnostic(line);
  const figures = await runPipelineChaos({ seed, blows: BLOWS, everyMs: EVERY_MS, settleMs: SETTLE_MS, say });
  context.diagnostic(JSON.stringify(figures));
  assert.deepEqual(figures.problems, []);
  assert.ok(figures.samplesSent > 1_000 && figures.samplesExported > 100, JSON.stringify(figures));
});
