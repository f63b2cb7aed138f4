/** Sampling times lie on the grid of the UTC clock. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { startUtcGrid, type UtcGrid } from './utc-grid.ts';

/** The mocked clock jumps to its end before timers fire, so it is moved in small steps. */
function advance(ms: number, stepMs = 20): void {
  for (let passed = 0; passed < ms; passed += stepMs) mock.timers.tick(stepMs);
}

describe('the UTC grid', () => {
  let ticks: number[];
  let grid: UtcGrid;
  beforeEach(() => {
    mock.timers.enable({ apis: ['Date', 'setTimeout'], now: 12_340 });
    ticks = [];
  });
  afterEach(() => {
    grid.stop();
    mock.timers.reset();
  });
  const start = () => {
    grid = startUtcGrid(5_000, (tickMs) => ticks.push(tickMs));
  };

  it('ticks on every line and not before', () => {
    start();
    advance(2_640);
    assert.deepEqual(ticks, []);
    advance(20);
    assert.deepEqual(ticks, [15_000]);
    advance(10_000);
    assert.deepEqual(ticks, [15_000, 20_000, 25_000]);
  });

  it('gives 17,280 ticks a day at 5 s', () => {
    start();
    advance(660);
    advance(24 * 3_600_000, 1_000);
    assert.equal(ticks.length, 17_280);
  });

  it('skips lines that were missed instead of bunching them', () => {
    let isBusy = true;
    grid = startUtcGrid(5_000, (tickMs) => {
      ticks.push(tickMs);
      // busy for 12 s: the lines at 20 s and 25 s pass meanwhile
      if (isBusy) mock.timers.setTime(27_000);
      isBusy = false;
    });
    advance(2_660);
    advance(3_000);
    assert.deepEqual(ticks, [15_000, 30_000]);
  });

  it('does not tick twice for a line when the clock is set back a little', () => {
    grid = startUtcGrid(5_000, (tickMs) => {
      ticks.push(tickMs);
      if (tickMs === 15_000) mock.timers.setTime(14_700);
    });
    advance(2_660);
    advance(5_400);
    assert.deepEqual(ticks, [15_000, 20_000]);
  });

  it('goes on from the new time when the clock is set back far', () => {
    grid = startUtcGrid(5_000, (tickMs) => {
      ticks.push(tickMs);
      if (tickMs === 100_000) mock.timers.setTime(40_001);
    });
    advance(87_660);
    advance(5_000);
    assert.deepEqual(ticks.slice(-2), [100_000, 45_000]);
  });
});
