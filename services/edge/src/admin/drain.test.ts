/** Who is on a node when its deadline nears: cut at an even pace, so that the others are not asked by all at once. */
import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import type { OpenConnection } from '../stream/connections.ts';
import { Drain } from './drain.ts';

/** Steps as long as the drain looks. */
const STEP_MS = 250;

describe('a drain with a deadline', () => {
  /**
   * Drains `viewers` (and a relay and a viewer of HLS, whom nobody cuts, and one that never leaves) and says when each was cut
   * and the node ended.
   */
  async function run({ viewers, deadlineMs, undoAtMs }: { viewers: number; deadlineMs: number; undoAtMs?: number }) {
    mock.timers.enable({ apis: ['setInterval', 'Date'] });
    try {
      const cutsMs: number[] = [];
      const open = new Set<OpenConnection>();
      const cut = new Set<string>();
      const add = (role: string, protocol: string) => {
        const kick = (reason?: string) => {
          assert.equal(reason, 'shutdown');
          assert.ok(role !== 'relay' && protocol !== 'hls');
          assert.ok(!cut.has(id), 'told once');
          cut.add(id);
          if (protocol === 'stuck') return;
          cutsMs.push(Date.now());
          open.delete(connection);
        };
        const id = `${open.size}`;
        const connection = { id, opened: { role, protocol }, kick } as unknown as OpenConnection;
        open.add(connection);
      };
      add('viewer', 'stuck');
      for (let i = 0; i < viewers; i += 1) add('viewer', 'rtmp');
      add('relay', 'rtmp');
      add('viewer', 'hls');
      let draining = false;
      let endedMs: number | undefined;
      const drain = new Drain({
        setDraining(now) {
          draining = now;
        },
        isDraining: () => draining,
        remaining: () => open.size,
        connections: async () => [...open],
        askToReconnect: async () => 0,
        end() {
          endedMs = Date.now();
        },
      });
      await drain.begin(deadlineMs);
      for (let atMs = 0; atMs < deadlineMs + 2 * STEP_MS; atMs += STEP_MS) {
        if (undoAtMs !== undefined && atMs >= undoAtMs) drain.undo();
        mock.timers.tick(STEP_MS);
        for (let turn = 0; turn < 5; turn += 1) await Promise.resolve(); // what a step began ends
      }
      drain.close();
      return { cutsMs, endedMs };
    } finally {
      mock.timers.reset();
    }
  }

  it('cuts who is left at an even pace over the last quarter, and nobody before', async () => {
    const { cutsMs, endedMs } = await run({ viewers: 1_000, deadlineMs: 40_000 });
    assert.equal(cutsMs.length, 1_000);
    assert.ok(Math.min(...cutsMs) >= 30_000, `the first after ${Math.min(...cutsMs)} ms`);
    const seconds = Array.from({ length: 10 }, (_, i) => 30_000 + i * 1_000);
    const each = seconds.map((from) => cutsMs.filter((ms) => ms >= from && ms < from + 1_000).length);
    assert.ok(Math.max(...each) <= 120, `in a second at most ${Math.max(...each)}, an even pace is 100`);
    assert.equal(endedMs, 40_000);
  });

  it('takes a minute for that at most', async () => {
    const { cutsMs } = await run({ viewers: 600, deadlineMs: 600_000 });
    assert.ok(Math.min(...cutsMs) >= 540_000, `the first after ${Math.min(...cutsMs)} ms`);
    assert.equal(cutsMs.length, 600);
  });

  it('cuts nobody when it is ended before', async () => {
    const { cutsMs, endedMs } = await run({ viewers: 10, deadlineMs: 40_000, undoAtMs: 20_000 });
    assert.deepEqual([cutsMs.length, endedMs], [0, undefined]);
  });

  it('has ended at once when there is no time', async () => {
    const { endedMs } = await run({ viewers: 10, deadlineMs: 0 });
    assert.equal(endedMs, STEP_MS);
  });
});
