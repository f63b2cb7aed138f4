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
  let missed: number[];
  let grid: UtcGrid;
  beforeEach(() => {
    mock.timers.enable({ apis: ['Date', 'setTimeout'], now: 12_340 });
    ticks = [];
    missed = [];
  });
  afterEach(() => {
    grid.stop();
    mock.timers.reset();
  });
  const start = () => {
    grid = startUtcGrid(5_000, (tickMs, lines) => {
      ticks.push(tickMs);
      missed.push(lines);
    });
  };

  it('ticks on every line and not before', () => {
    start();
    advance(2_640);
    assert.deepEqual(ticks, []);
    advance(20);
    assert.deepEqual(ticks, [15_000]);
    advance(10_000);
    assert.deepEqual(ticks, [15_000, 20_000, 25_000]);
    assert.deepEqual(missed, [0, 0, 0]);
  });

  it('gives 17,280 ticks a day at 5 s', () => {
    start();
    advance(660);
    advance(24 * 3_600_000, 1_000);
    assert.equal(ticks.length, 17_280);
  });

  it('skips lines that were missed instead of bunching them, and counts them', () => {
    let isBusy = true;
    grid = startUtcGrid(5_000, (tickMs, lines) => {
      ticks.push(tickMs);
      missed.push(lines);
      // busy for 12 s: the lines at 20 s and 25 s pass meanwhile
      if (isBusy) mock.timers.setTime(27_000);
      isBusy = false;
    });
    advance(2_660);
    advance(3_000);
    assert.deepEqual(ticks, [15_000, 30_000]);
    assert.deepEqual(missed, [0, 2]);
  });

  it('counts lines that pass while its timer can not fire', () => {
    start();
    advance(2_660);
    mock.timers.setTime(38_000); // at 20 s it was to fire
    advance(20);
    advance(2_000);
    assert.deepEqual(ticks, [15_000, 35_000, 40_000]);
    assert.deepEqual(missed, [0, 3, 0]);
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
    grid = startUtcGrid(5_000, (tickMs, lines) => {
      ticks.push(tickMs);
      missed.push(lines);
      if (tickMs === 100_000) mock.timers.setTime(40_001);
    });
    advance(87_660);
    advance(5_000);
    assert.deepEqual(ticks.slice(-2), [100_000, 45_000]);
    assert.equal(missed.at(-1), 0);
  });
});
