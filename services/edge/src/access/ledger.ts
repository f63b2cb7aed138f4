/**
 * Who has a place on this node: connections per client, viewers per stream, viewers and publishers per app. A place is
 * taken before slower checks are asked, so that a crowd that comes at once cannot pass a limit together. Places of an app
 * keep their order: when it uses more than its quota, the newest go first.
 */
import { clientKey } from './address.ts';
import type { AccessRequest, Refusal } from './check.ts';
import type { AppUse } from './quotas.ts';

/** Limits in force; 0 = none. Changing them touches nobody who is in. */
export interface LedgerLimits {
  connectionsPerIp: number;
  viewersPerStream: number;
}

/** A place; `release` gives it back once, later calls do nothing. */
export interface Place {
  release(): void;
}

/** A place as viewer or publisher of an app. */
export interface RolePlace extends Place {
  /** Unix time, ms, since when it is taken. */
  readonly sinceMs: number;
  /** Set by whoever holds it: takes the client off, for a reason. Undefined while it is still being asked about. */
  withdraw: ((reason: 'app-limit') => void) | undefined;
}

type Action = AccessRequest['action'];

/** One per node. */
export class Ledger {
  limits: LedgerLimits;
  readonly #clients = new Map<string, number>();
  readonly #streams = new Map<string, number>();
  readonly #roles = { publish: new Map<string, Set<RolePlace>>(), play: new Map<string, Set<RolePlace>>() };

  constructor(limits: LedgerLimits) {
    this.limits = limits;
  }

  /** Takes a place for a connection of `address`. */
  takeConnection(address: string): Place | Refusal {
    const limit = this.limits.connectionsPerIp;
    const client = clientKey(address);
    const count = this.#clients.get(client) ?? 0;
    if (limit > 0 && count >= limit) {
      return { refused: 'ip-limit', description: `${address} has ${limit} connections, and may have no more.` };
    }
    this.#clients.set(client, count + 1);
    return { release: once(() => decrease(this.#clients, client)) };
  }

  /** Takes a place for a publisher or viewer of a stream. What its app may have is the quota keeper's to say. */
  takeRole({ action, app, name }: Pick<AccessRequest, 'action' | 'app' | 'name'>): RolePlace | Refusal {
    const stream = `${app}/${name}`;
    const viewers = this.#streams.get(stream) ?? 0;
    if (action === 'play') {
      const { viewersPerStream: limit } = this.limits;
      if (limit > 0 && viewers >= limit) {
        const description = `${stream} has ${limit} viewers here, and may have no more.`;
        return { refused: 'stream-limit', description };
      }
      this.#streams.set(stream, viewers + 1);
    }
    const places = this.#roles[action].get(app) ?? new Set();
    this.#roles[action].set(app, places);
    const place: RolePlace = {
      sinceMs: Date.now(),
      withdraw: undefined,
      release: once(() => {
        if (action === 'play') decrease(this.#streams, stream);
        places.delete(place);
        if (places.size === 0 && this.#roles[action].get(app) === places) this.#roles[action].delete(app);
      }),
    };
    places.add(place);
    return place;
  }

  /** Viewers and publishers of one app, those included who wait for their stream. */
  countsOf(app: string): Pick<AppUse, 'viewers' | 'publishers'> {
    return { viewers: this.#roles.play.get(app)?.size ?? 0, publishers: this.#roles.publish.get(app)?.size ?? 0 };
  }

  /** At most `most` places of an app, the newest first. */
  newest(action: Action, app: string, most: number): RolePlace[] {
    return [...(this.#roles[action].get(app) ?? [])].slice(-most).reverse();
  }

  /** Every app that has somebody here. */
  apps(): Set<string> {
    return new Set([...this.#roles.play.keys(), ...this.#roles.publish.keys()]);
  }

  /** Entries kept; 0 when nobody is in. */
  get size(): number {
    return this.#clients.size + this.#streams.size + this.#roles.play.size + this.#roles.publish.size;
  }
}

function decrease(counts: Map<string, number>, key: string): void {
  const left = (counts.get(key) ?? 1) - 1;
  if (left > 0) counts.set(key, left);
  else counts.delete(key);
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    work();
  };
}
