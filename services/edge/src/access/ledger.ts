/**
 * Who has a place on this node: connections per client, viewers per stream, viewers and publishers per app. A place is
 * taken before slower checks are asked, so that a crowd that comes at once cannot pass a limit together.
 */
import { clientKey } from './address.ts';
import type { AccessRequest, Refusal } from './check.ts';
import type { AppQuotas } from './quotas.ts';

/** Limits in force; 0 = none. Changing them touches nobody who is in. */
export interface LedgerLimits {
  connectionsPerIp: number;
  viewersPerStream: number;
  quotas: AppQuotas;
}

/** A place; `release` gives it back once, later calls do nothing. */
export interface Place {
  release(): void;
}

/** One per node. */
export class Ledger {
  limits: LedgerLimits;
  readonly #clients = new Map<string, number>();
  readonly #streams = new Map<string, number>();
  readonly #viewers = new Map<string, number>();
  readonly #publishers = new Map<string, number>();

  constructor(limits: LedgerLimits) {
    this.limits = limits;
  }

  /** Takes a place for a connection of `address`. */
  takeConnection(address: string): Place | Refusal {
    const limit = this.limits.connectionsPerIp;
    const client = clientKey(address);
    if (limit > 0 && (this.#clients.get(client) ?? 0) >= limit) {
      return { refused: 'ip-limit', description: `${address} has ${limit} connections, and may have no more.` };
    }
    return take([[this.#clients, client]]);
  }

  /** Takes a place for a publisher or viewer of a stream. */
  takeRole({ action, app, name }: Pick<AccessRequest, 'action' | 'app' | 'name'>): Place | Refusal {
    const quota = this.limits.quotas(app);
    const full = (what: string, limit: number): Refusal => ({
      refused: 'app-limit',
      description: `${app} has ${limit} ${what} here, and may have no more.`,
    });
    if (action === 'publish') {
      const { publishers: limit } = quota;
      if (limit !== undefined && this.publishersOf(app) >= limit) return full('publishers', limit);
      return take([[this.#publishers, app]]);
    }
    const stream = `${app}/${name}`;
    const { viewersPerStream } = this.limits;
    if (viewersPerStream > 0 && (this.#streams.get(stream) ?? 0) >= viewersPerStream) {
      const description = `${stream} has ${viewersPerStream} viewers here, and may have no more.`;
      return { refused: 'stream-limit', description };
    }
    if (quota.viewers !== undefined && this.viewersOf(app) >= quota.viewers) return full('viewers', quota.viewers);
    return take([
      [this.#streams, stream],
      [this.#viewers, app],
    ]);
  }

  /** Viewers of one app, those included who wait for their stream. */
  viewersOf(app: string): number {
    return this.#viewers.get(app) ?? 0;
  }

  /** Publishers of one app. */
  publishersOf(app: string): number {
    return this.#publishers.get(app) ?? 0;
  }

  /** Entries kept; 0 when nobody is in. */
  get size(): number {
    return this.#clients.size + this.#streams.size + this.#viewers.size + this.#publishers.size;
  }
}

function take(counts: readonly [Map<string, number>, string][]): Place {
  for (const [map, key] of counts) map.set(key, (map.get(key) ?? 0) + 1);
  let isTaken = true;
  return {
    release() {
      if (!isTaken) return;
      isTaken = false;
      for (const [map, key] of counts) {
        const left = (map.get(key) ?? 1) - 1;
        if (left > 0) map.set(key, left);
        else map.delete(key);
      }
    },
  };
}
