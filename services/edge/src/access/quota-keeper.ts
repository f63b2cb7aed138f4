/**
 * Keeps apps (customers' channels) to their quotas in the whole cluster: what is used here, counted by the ledger and the
 * book, plus what other nodes said they use. Looked at once a second. Before it: ledger, book and shared-usage.ts; after
 * it: access, which asks it for each newcomer.
 *
 *   within ──over──▶ over: newcomers are refused ──limits.appGraceMs──▶ the newest are put out, a round per grace time
 *      ◀───────────────┘
 *
 * Every node reckons from the same records who is newest, so that together they put out as many as are too many. Others
 * know of a newcomer a second late: nodes that let one in at the same time may be over by as many until the grace is over.
 */
import type { AppShare } from '@weir/contracts/nats/records';
import type { AccessRequest, Refusal } from './check.ts';
import type { Ledger } from './ledger.ts';
import type { AppQuotas, AppUse } from './quotas.ts';

/** What other nodes said of an app, as long as it counts. */
export interface OtherNodes {
  sharesOf(app: string): readonly { node: string; share: AppShare }[];
}

/** Options of {@link QuotaKeeper}. */
export interface QuotaKeeperOptions {
  /** Name of this node. */
  node: string;
  quotas: AppQuotas;
  /** An app may be over its quota for so long. */
  graceMs: number;
  ledger: Ledger;
  /** What viewers of each app were sent by this node, bytes since it started. */
  sentBytes: () => Iterable<readonly [app: string, bytes: number]>;
  others: OtherNodes;
  /** Clients of an app are put out. */
  onPutOut: (app: string, count: { viewers: number; publishers: number }) => void;
}

const LOOK_MS = 1_000;
/** Weight of the last second in an app's bitrate: it follows a change within about five. */
const NEWEST_WEIGHT = 0.3;
/** Clients of an app put out in one round at most; each node lists as many of its newest. */
const MAX_PER_ROUND = 500;

interface Candidate {
  node: string;
  sinceMs: number;
  /** Takes it off; only of this node's own. */
  putOut?: () => void;
}

/** One per node. */
export class QuotaKeeper {
  quotas: AppQuotas;
  graceMs: number;
  readonly #options: QuotaKeeperOptions;
  readonly #timer: NodeJS.Timeout;
  /** Per app: the total at the last look, and the bitrate since. */
  #sent = new Map<string, { bytes: number; bitsPerSecond: number }>();
  /** Monotonic time, ms, since when an app is over its quota. */
  readonly #overSince = new Map<string, number>();
  #lookedAtMs: number | undefined;

  constructor(options: QuotaKeeperOptions) {
    this.#options = options;
    this.quotas = options.quotas;
    this.graceMs = options.graceMs;
    this.#timer = setInterval(() => this.look(performance.now()), LOOK_MS).unref();
  }

  /** What an app uses on this node. */
  here(app: string): AppUse {
    const bitsPerSecond = Math.round(this.#sent.get(app)?.bitsPerSecond ?? 0);
    return { ...this.#options.ledger.countsOf(app), bitsPerSecond };
  }

  /** What an app uses on all nodes, as far as this one knows. */
  everywhere(app: string): AppUse {
    const sum = this.here(app);
    for (const { share } of this.#options.others.sharesOf(app)) {
      sum.viewers += share.viewers;
      sum.publishers += share.publishers;
      sum.bitsPerSecond += share.bitsPerSecond;
    }
    return sum;
  }

  /** Why an app gets no further viewer or publisher; undefined when it does. */
  refusal({ action, app }: Pick<AccessRequest, 'action' | 'app'>): Refusal | undefined {
    if (!this.quotas.isAny) return undefined;
    const quota = this.quotas.of(app);
    const used = this.everywhere(app);
    const refused = (description: string): Refusal => ({ refused: 'app-limit', description });
    if (action === 'publish') {
      if (quota.publishers === undefined || used.publishers < quota.publishers) return undefined;
      return refused(`${app} has ${used.publishers} publishers, and may have no more than ${quota.publishers}.`);
    }
    if (quota.viewers !== undefined && used.viewers >= quota.viewers) {
      return refused(`${app} has ${used.viewers} viewers, and may have no more than ${quota.viewers}.`);
    }
    // One more costs about as much as one of those who are on.
    const perViewer = used.bitsPerSecond / Math.max(1, used.viewers);
    if (quota.bitsPerSecond === undefined || used.bitsPerSecond + perViewer <= quota.bitsPerSecond) return undefined;
    return refused(`The viewers of ${app} are sent all the ${quota.bitsPerSecond} bit/s they may be sent.`);
  }

  /** This node's part of what apps with a quota use, for the others. */
  shares(): Map<string, AppShare> {
    const shares = new Map<string, AppShare>();
    if (!this.quotas.isAny) return shares;
    const { ledger } = this.#options;
    for (const app of ledger.apps()) {
      if (Object.keys(this.quotas.of(app)).length === 0) continue;
      const share: AppShare = this.here(app);
      if (this.#overSince.has(app)) {
        const times = (action: 'play' | 'publish') =>
          ledger.newest(action, app, MAX_PER_ROUND).map(({ sinceMs }) => sinceMs);
        share.newestViewers = times('play');
        share.newestPublishers = times('publish');
      }
      shares.set(app, share);
    }
    return shares;
  }

  /** Measures, and puts out who must go; called by the keeper's own timer. `nowMs` is monotonic. */
  look(nowMs: number): void {
    this.#measure(nowMs);
    const apps = this.quotas.isAny ? this.#options.ledger.apps() : new Set<string>();
    for (const app of this.#overSince.keys()) if (!apps.has(app)) this.#overSince.delete(app);
    for (const app of apps) {
      const surplus = this.#surplusOf(app);
      if (surplus.viewers + surplus.publishers === 0) this.#overSince.delete(app);
      else if (nowMs - this.#since(app, nowMs) >= this.graceMs) {
        this.#overSince.set(app, nowMs);
        this.#putOut(app, surplus);
      }
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #since(app: string, nowMs: number): number {
    const since = this.#overSince.get(app) ?? nowMs;
    this.#overSince.set(app, since);
    return since;
  }

  #measure(nowMs: number): void {
    const seconds = (nowMs - (this.#lookedAtMs ?? nowMs - LOOK_MS)) / 1_000;
    this.#lookedAtMs = nowMs;
    if (seconds <= 0) return;
    const before = this.#sent;
    this.#sent = new Map();
    for (const [app, bytes] of this.#options.sentBytes()) {
      const last = before.get(app);
      const rate = (Math.max(0, bytes - (last?.bytes ?? 0)) * 8) / seconds;
      const bitsPerSecond = (last?.bitsPerSecond ?? 0) * (1 - NEWEST_WEIGHT) + rate * NEWEST_WEIGHT;
      this.#sent.set(app, { bytes, bitsPerSecond });
    }
  }

  /** How many too many there are in the cluster. */
  #surplusOf(app: string): { viewers: number; publishers: number } {
    const quota = this.quotas.of(app);
    const used = this.everywhere(app);
    const over = (count: number, limit: number | undefined) => Math.max(0, count - (limit ?? count));
    const bits = over(used.bitsPerSecond, quota.bitsPerSecond);
    const forBits = bits === 0 ? 0 : Math.ceil((bits / used.bitsPerSecond) * used.viewers);
    return {
      viewers: Math.max(over(used.viewers, quota.viewers), forBits),
      publishers: over(used.publishers, quota.publishers),
    };
  }

  #putOut(app: string, surplus: { viewers: number; publishers: number }): void {
    const { node, ledger, others, onPutOut } = this.#options;
    const round = (action: 'play' | 'publish', count: number): number => {
      const most = Math.min(count, MAX_PER_ROUND);
      const own = ledger.newest(action, app, most).map(({ sinceMs, withdraw }): Candidate => {
        return { node, sinceMs, ...(withdraw && { putOut: () => withdraw('app-limit') }) };
      });
      const theirs = others.sharesOf(app).flatMap(({ node: other, share }): Candidate[] => {
        const times = (action === 'play' ? share.newestViewers : share.newestPublishers) ?? [];
        return times.map((sinceMs) => ({ node: other, sinceMs }));
      });
      const leaving = [...own, ...theirs].sort(newestFirst).slice(0, most);
      const ours = leaving.flatMap(({ putOut }) => putOut ?? []);
      for (const putOut of ours) putOut();
      return ours.length;
    };
    const { viewers: before } = ledger.countsOf(app);
    const count = { viewers: round('play', surplus.viewers), publishers: round('publish', surplus.publishers) };
    // What those were sent ends now; the average would show it only after some seconds.
    const sent = this.#sent.get(app);
    if (sent && count.viewers > 0) sent.bitsPerSecond *= (before - count.viewers) / before;
    if (count.viewers + count.publishers > 0) onPutOut(app, count);
  }
}

/** The same order on every node, whoever reckons it. */
function newestFirst(one: Candidate, other: Candidate): number {
  return other.sinceMs - one.sinceMs || (one.node < other.node ? -1 : one.node > other.node ? 1 : 0);
}
