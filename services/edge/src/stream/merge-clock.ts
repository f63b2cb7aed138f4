/**
 * When each phase group of each hub is flushed: the node's merge window. Groups are flushed one after the other on a
 * fixed time grid, so that no flush holds the loop long and the grid does not drift with the work. The window adapts:
 * at once while that costs few writes, then growing with viewers and with a busy loop up to its bound.
 */
import { performance } from 'node:perf_hooks';
import { type FlushedHub, FlushRun, GROUPS } from './flush-run.ts';
import { adaptWindow, type MergeWindow } from './merge-window.ts';

/** Flushes a window, as viewers grow; each divides {@link GROUPS}. */
const STEPS = [1, 2, 3, 4, 6, 8, 12, 24] as const;
/**
 * Viewers written to on one tick of the grid at most, until {@link GROUPS} ticks are not enough. Fewer at a time cost more
 * each, more would crowd the network; that they do not hold the loop is the flush run's doing.
 */
const VIEWERS_PER_FLUSH = 400;
/** Least time between two flushes on the grid. */
const MIN_STEP_MS = 5;
const ADAPT_INTERVAL_MS = 1_000;
/** The longest flush is told of so many intervals. */
const FLUSHES_KEPT = 10;

/** What the clock drives: a hub. */
export interface Flushable extends FlushedHub {
  /** Viewers and relays attached. */
  readonly viewerCount: number;
  /** Messages that came in, total. */
  readonly messageCount: number;
}

/** One per node. */
export class MergeClock {
  /** The window in force, ms; 0 = every message at the end of the read that brought it. */
  windowMs: number;
  #bounds: MergeWindow;
  readonly #hubs = new Map<Flushable, number>();
  readonly #dirty = new Set<Flushable>();
  readonly #gridRun = new FlushRun((sliceMs) => this.#held(sliceMs));
  readonly #dirtyRun = new FlushRun((sliceMs) => this.#held(sliceMs));
  readonly #load: number[] = new Array<number>(GROUPS).fill(0);
  readonly #adaptTimer: NodeJS.Timeout;
  #utilization = performance.eventLoopUtilization();
  #viewers = 0;
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #gridStart = 0;
  #tick = 0;
  #steps: number = 1;
  /** Longest flush of each of the last intervals, ms; the present one is the last. */
  readonly #longest: number[] = new Array<number>(FLUSHES_KEPT).fill(0);

  constructor(bounds: MergeWindow) {
    this.#bounds = bounds;
    this.windowMs = bounds.minMs;
    this.#adaptTimer = setInterval(() => this.#adapt(), ADAPT_INTERVAL_MS).unref();
  }

  /** Other bounds from now on; the window follows within a second. */
  setBounds(bounds: MergeWindow): void {
    this.#bounds = bounds;
  }

  /** Viewers on the node. */
  get viewers(): number {
    return this.#viewers;
  }

  /** Longest time one flush held the event loop within the last ten seconds, ms. */
  get longestFlushMs(): number {
    return Math.max(...this.#longest);
  }

  /** A hub has its first viewer. */
  add(hub: Flushable): void {
    this.#hubs.set(hub, hub.messageCount);
  }

  /** A hub has no viewer any more. */
  delete(hub: Flushable): void {
    this.#hubs.delete(hub);
    this.#dirty.delete(hub);
  }

  /** The group with the fewest viewers of the node. */
  leastLoaded(): number {
    let least = 0;
    for (let group = 1; group < GROUPS; group += 1) {
      if ((this.#load[group] as number) < (this.#load[least] as number)) least = group;
    }
    return least;
  }

  /** A viewer came into `group`. */
  joined(group: number): void {
    this.#load[group] = (this.#load[group] as number) + 1;
    this.#viewers += 1;
    if (this.windowMs > 0 && !this.#timer) this.#startGrid();
  }

  /** A viewer of `group` went. */
  left(group: number): void {
    this.#load[group] = (this.#load[group] as number) - 1;
    this.#viewers -= 1;
  }

  /** A hub with viewers got a message; `urgent` when it holds more than should wait for the window. */
  changed(hub: Flushable, urgent = false): void {
    if (this.windowMs > 0 && !urgent) return;
    this.#dirty.add(hub);
    this.#immediate ??= setImmediate(() => this.#flushDirty());
  }

  close(): void {
    clearInterval(this.#adaptTimer);
    this.#stopGrid();
    clearImmediate(this.#immediate);
    this.#dirtyRun.cancel();
    this.#hubs.clear();
    this.#dirty.clear();
  }

  #flushDirty(): void {
    const hubs = [...this.#dirty];
    this.#dirty.clear();
    // What comes while it takes its turns is flushed after it.
    this.#dirtyRun.start(hubs, 0, GROUPS, () => {
      this.#immediate = this.#dirty.size === 0 ? undefined : setImmediate(() => this.#flushDirty());
    });
  }

  #held(flushMs: number): void {
    const now = FLUSHES_KEPT - 1;
    if (flushMs > (this.#longest[now] as number)) this.#longest[now] = flushMs;
  }

  #startGrid(): void {
    this.#stopGrid();
    this.#gridStart = performance.now();
    this.#tick = 0;
    this.#steps = this.#stepsFor();
    this.#arm();
  }

  #stopGrid(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#gridRun.cancel();
  }

  /** Ticks a window: enough to keep each short, not so many that they come closer than the loop can keep apart. */
  #stepsFor(): number {
    const wanted = this.#viewers / VIEWERS_PER_FLUSH;
    const steps = STEPS.find((count) => count >= wanted) ?? GROUPS;
    const possible = STEPS.findLast((count) => this.windowMs / count >= MIN_STEP_MS) ?? 1;
    return Math.min(steps, possible);
  }

  #arm(): void {
    const due = this.#gridStart + (this.#tick + 1) * (this.windowMs / this.#steps);
    this.#timer = setTimeout(() => this.#onTick(), Math.max(0, due - performance.now()));
    this.#timer.unref();
  }

  #onTick(): void {
    if (this.#viewers === 0) {
      this.#timer = undefined;
      return;
    }
    this.#tick += 1;
    const perStep = GROUPS / this.#steps;
    const first = (this.#tick % this.#steps) * perStep;
    this.#gridRun.start(this.#hubs.keys(), first, first + perStep, () => this.#nextTick(first));
  }

  #nextTick(first: number): void {
    // Ticks the loop was too late for are made up for one after the other, but at most one window of them.
    const late = Math.floor(((performance.now() - this.#gridStart) * this.#steps) / this.windowMs) - this.#tick;
    if (late > this.#steps) this.#tick += late - this.#steps;
    if (first === 0 && this.#stepsFor() !== this.#steps) this.#startGrid();
    else this.#arm();
  }

  #adapt(): void {
    this.#longest.shift();
    this.#longest.push(0);
    const before = this.#utilization;
    this.#utilization = performance.eventLoopUtilization();
    const busy = performance.eventLoopUtilization(this.#utilization, before).utilization;
    let writesAtOnce = 0;
    for (const [hub, messages] of this.#hubs) {
      writesAtOnce += (hub.messageCount - messages) * hub.viewerCount;
      this.#hubs.set(hub, hub.messageCount);
    }
    this.#setWindow(adaptWindow({ nowMs: this.windowMs, viewers: this.#viewers, writesAtOnce, busy, ...this.#bounds }));
  }

  #setWindow(windowMs: number): void {
    if (windowMs === this.windowMs) return;
    this.windowMs = windowMs;
    this.#stopGrid();
    if (windowMs === 0) for (const hub of this.#hubs.keys()) this.changed(hub);
    else if (this.#viewers > 0) this.#startGrid();
  }
}
