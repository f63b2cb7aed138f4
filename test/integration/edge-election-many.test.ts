// Dozens of real members in few processes (the bench of npm run bench -- cluster): who is elected, what moves, what stays.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const BENCH = fileURLToPath(new URL('../bench/cluster.ts', import.meta.url));

async function simulate(...args: string[]): Promise<Record<string, number>> {
  const child = spawn(process.execPath, [BENCH, ...args, '--json'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output, [status]] = await Promise.all([text(child.stdout), once(child, 'close') as Promise<[number]>]);
  assert.equal(status, 0, output);
  return JSON.parse(output) as Record<string, number>;
}

describe('a cluster of many members', () => {
  it('moves the streams of the one origin of four that dies, and no other', async () => {
    const { claimsGranted, elected, streamsMoved, streamsOfTheDead } = await simulate(
      ...['--nodes', '40', '--kill', '1', '--streams', '1000'],
    );
    assert.deepEqual([claimsGranted, elected], [1_000, 0]);
    assert.equal(streamsMoved, streamsOfTheDead);
    assert.ok(Number(streamsMoved) <= 280, `${streamsMoved} of 1,000: no more than a quarter and 3 %`);
  });

  it('elects a tenth of those that are left when all origins die, and all agree on every route', async () => {
    const { elected, streamsMoved } = await simulate('--nodes', '41', '--kill', '4', '--streams', '200');
    assert.equal(elected, 4);
    assert.equal(streamsMoved, 200);
  });
});
