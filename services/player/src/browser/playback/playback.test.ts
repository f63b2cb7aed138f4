/** Live edge, clock and frame gaps: the player's decisions, without a browser. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FrameGaps } from './frame-watch.ts';
import { LiveClock } from './live-clock.ts';
import { LiveEdge, LOW_LATENCY } from './live-edge.ts';
import { type Situation, verdictOf } from './verdict.ts';

const STARTED_MS = 2_001;

/** Plays `seconds` with arrivals `gapMs` apart; media comes as fast as it goes, less what the rate takes away. */
function run(edge: LiveEdge, fromMs: number, seconds: number, bufferMs: number, gapMs: number) {
  let buffer = bufferMs;
  let changes = 0;
  let rate = 1;
  for (let at = 0; at < seconds * 1_000; at += 100) {
    const action = edge.step({ nowMs: fromMs + at, bufferMs: buffer, gapMs });
    if (action.rate !== rate) changes += 1;
    rate = action.rate;
    buffer -= action.jumpMs + (rate - 1) * 100;
  }
  return { buffer, changes, rate };
}

describe('the live edge', () => {
  it('skips the GOP cache at the start', () => {
    const edge = new LiveEdge(LOW_LATENCY, 0);
    const action = edge.step({ nowMs: 100, bufferMs: 2_000, gapMs: 30 });
    assert.deepEqual(action, { rate: 1, jumpMs: 2_000 - LOW_LATENCY.minTargetMs, starting: true });
  });

  it('catches up by speed, without swinging, and then plays at 1', () => {
    const edge = new LiveEdge(LOW_LATENCY, 0);
    const { buffer, changes, rate } = run(edge, STARTED_MS, 60, 2_000, 40);
    assert.equal(rate, 1);
    assert.ok(buffer > LOW_LATENCY.minTargetMs && buffer < LOW_LATENCY.minTargetMs + 250, `${buffer} ms`);
    assert.ok(changes <= 3, `${changes} changes`);
  });

  it('jumps when it is far behind', () => {
    const edge = new LiveEdge(LOW_LATENCY, 0);
    const { jumpMs, starting } = edge.step({ nowMs: STARTED_MS, bufferMs: 20_000, gapMs: 40 });
    assert.equal(jumpMs, 20_000 - LOW_LATENCY.minTargetMs);
    assert.equal(starting, false);
  });

  it('keeps what the jitter needs, within its bounds, and forgets it', () => {
    const edge = new LiveEdge(LOW_LATENCY, 0);
    run(edge, STARTED_MS, 1, 300, 40);
    assert.equal(edge.targetMs, LOW_LATENCY.minTargetMs);
    edge.step({ nowMs: 4_000, bufferMs: 700, gapMs: 600 });
    assert.equal(edge.targetMs, 600 * 1.25 + 60);
    edge.step({ nowMs: 4_100, bufferMs: 700, gapMs: 60_000 });
    assert.equal(edge.targetMs, LOW_LATENCY.maxTargetMs);
    run(edge, 20_000, 1, 300, 40);
    assert.equal(edge.targetMs, LOW_LATENCY.minTargetMs);
  });

  it('plays a little slower when nearly nothing is left, and keeps more after a stall', () => {
    const edge = new LiveEdge(LOW_LATENCY, 0);
    assert.equal(edge.step({ nowMs: STARTED_MS, bufferMs: 50, gapMs: 40 }).rate, 0.95);
    const before = edge.targetMs;
    edge.stalled();
    assert.ok(edge.targetMs > before);
  });
});

describe('the live clock', () => {
  it('tells the age of the newest byte from what the edge said', () => {
    const clock = new LiveClock();
    clock.anchor(10_000, 1_000, 20);
    assert.equal(clock.lagMs(10_000, 1_000), 20);
    assert.equal(clock.lagMs(10_500, 1_700), 220);
  });

  it('takes media ahead of the anchor as the better anchor, over the wrap of timestamps', () => {
    const clock = new LiveClock();
    clock.anchor(0xffff_ff00, 1_000, 0);
    assert.equal(clock.lagMs(0x0000_0100, 1_100), 0);
    assert.equal(clock.lagMs(0x0000_0100, 1_400), 300);
  });
});

describe('frame gaps', () => {
  const steady = (gaps: FrameGaps, from: number, frames: number, source = 0) => {
    for (let i = 0; i < frames; i++)
      assert.equal(gaps.shown(from + i * 40, (from + i * 40) / 1_000, source), undefined);
    return from + (frames - 1) * 40;
  };

  it('are stalls from the moment the next frame was due', () => {
    const gaps = new FrameGaps();
    const last = steady(gaps, 0, 50);
    assert.ok(Math.abs(gaps.lateMs(last + 1_040) - 1_000) < 1);
    const gap = gaps.shown(last + 1_040, (last + 40) / 1_000, 0);
    assert.ok(
      gap && Math.abs(gap.durationMs - 1_000) < 1 && Math.abs(gap.startedAt - last - 40) < 1,
      JSON.stringify(gap),
    );
  });

  it('are none when the stream itself has few frames, nobody watched, or the frame was hardly late', () => {
    const gaps = new FrameGaps();
    let last = steady(gaps, 0, 50);
    assert.equal(gaps.shown(last + 2_000, (last + 2_000) / 1_000, 0), undefined, 'the media itself has nothing');
    gaps.reset();
    last = steady(gaps, 100_000, 20);
    assert.equal(gaps.shown(last + 280, (last + 40) / 1_000, 0), undefined, 'a quarter of a second is no stall');
  });

  it('hold over a change of connection, where media times begin anew', () => {
    const gaps = new FrameGaps();
    const last = steady(gaps, 50_000, 50);
    const gap = gaps.shown(last + 740, 0.04, 1);
    assert.ok(gap && Math.abs(gap.durationMs - 700) < 1);
    steady(gaps, last + 780, 10, 1);
  });
});

describe('the verdict', () => {
  const playing: Situation = { state: 'playing', lateMs: 0, silentMs: 20, swapping: false, online: true };

  it('is a stall when frames are late, and the publisher’s absence when no byte came for three seconds', () => {
    assert.equal(verdictOf(playing), 'playing');
    assert.equal(verdictOf({ ...playing, lateMs: 500 }), 'stalled');
    assert.equal(verdictOf({ ...playing, lateMs: 3_500, silentMs: 3_400 }), 'away');
    assert.equal(
      verdictOf({ ...playing, state: 'away', lateMs: 3_600, silentMs: 10 }),
      'away',
      'until there is a frame',
    );
  });

  it('lets the buffer bridge a lost connection without a word, and tells what it is when the picture stands', () => {
    const lost = { ...playing, silentMs: undefined };
    assert.equal(verdictOf(lost), 'playing');
    assert.equal(verdictOf({ ...lost, lateMs: 500 }), 'reconnecting');
    assert.equal(verdictOf({ ...lost, lateMs: 500, online: false }), 'offline');
    assert.equal(verdictOf({ ...lost, state: 'not-found', lateMs: 500 }), 'not-found');
  });

  it('leaves to the viewer what only the viewer ends', () => {
    for (const state of ['paused', 'refused', 'unsupported'] as const)
      assert.equal(verdictOf({ ...playing, state, lateMs: 9_000 }), state);
  });
});
