/**
 * When a pull whose source works looks for a better one: every few seconds, and soon when a node or publisher came or
 * went. Before it: the directory's changes; after it: the pull, which begins to pull from the better one beside the present.
 */
import type { Source, Suspects } from './route.ts';

/** What the rule goes by. */
export interface ImprovementOptions {
  /** Source in use; undefined = none. */
  source(): Source | undefined;
  /** True while a better one is being tried, or the pull is over. */
  isBusy(): boolean;
  /** Whom to ask now, best first. */
  route(): Source[];
  /** False while what the route is made from is old: nothing that works is left for something better. */
  mayImprove(): boolean;
  /** True when the directory knows a newer publisher than the one that is being pulled. */
  isOutdated(): boolean;
  suspects: Suspects;
  begin(source: Source): void;
}

/** A source that still works is looked at again this often … */
const EVERY_MS = 5_000;
/** … and left within this time when it drains, or gave the stream only for want of an origin. */
const URGENT_MS = 500;

/** One per pull. */
export class Improvement {
  readonly #options: ImprovementOptions;
  #timer: NodeJS.Timeout | undefined;
  #atMs = Number.POSITIVE_INFINITY;

  constructor(options: ImprovementOptions) {
    this.#options = options;
  }

  /** A node or a publisher came or went: how long may the present source be kept? */
  considerSoon(): void {
    const { source: current, isBusy, isOutdated } = this.#options;
    const source = current();
    if (!source || isBusy()) return;
    if (isOutdated()) {
      this.#consider();
      return;
    }
    const route = this.#options.route();
    const isUnwanted = !route.some(({ node }) => node === source.node);
    const wasMakeshift = source.kind === 'publisher' && route[0]?.kind === 'origin';
    if (isUnwanted || wasMakeshift) this.#considerIn(URGENT_MS * Math.random());
  }

  /** In a while, at a time of its own, so that not all pulls look at once. */
  considerLater(): void {
    this.#considerIn(EVERY_MS * (1 + Math.random()));
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#atMs = Number.POSITIVE_INFINITY;
  }

  #considerIn(ms: number): void {
    const atMs = Date.now() + ms;
    if (this.#atMs > Date.now() && this.#atMs <= atMs) return;
    clearTimeout(this.#timer);
    this.#atMs = atMs;
    this.#timer = setTimeout(() => this.#consider(), ms).unref();
  }

  /** Begins to pull from the best source beside the present one, when that is another. */
  #consider(): void {
    const { source: current, isBusy, isOutdated, mayImprove, suspects } = this.#options;
    const source = current();
    if (!source || isBusy()) return;
    const route = this.#options.route();
    const isNewPublisher = isOutdated();
    // An origin goes to the new publisher by itself; whoever pulls from an origin stays with it.
    const best =
      isNewPublisher && source.kind === 'publisher' ? route.find(({ kind }) => kind === 'publisher') : route[0];
    const mayGo = isNewPublisher || mayImprove();
    if (best && mayGo && best.node !== source.node && !suspects.isSuspect(best.node)) this.#options.begin(best);
    else this.considerLater();
  }
}
