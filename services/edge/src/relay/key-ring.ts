/**
 * The keys of the cluster on this node: signs what it asks other nodes, checks what they ask it. The keys can be exchanged
 * while it runs: running relays go on, since a claim is looked at once, when a relay begins. Before it: the configuration and
 * its reload; after it: pulls, announcements and probes on one side, the relay listener on the other.
 */
import { ConfigError } from '@weir/contracts/errors';
import { type RelayClaim, signRelay, verifyRelay } from '@weir/contracts/relay-auth';

/** A claim is worth something for so long: it is used at once, and clocks differ. */
const VALID_S = 30;

/** One per node. */
export class KeyRing {
  #keys: readonly [string, ...string[]];

  /** @throws ConfigError `EDGE_RELAY_KEY`. */
  constructor(keys: readonly string[]) {
    this.#keys = usable(keys);
  }

  /** A function that makes it sign with the first of `keys` and accept all of them. @throws ConfigError `EDGE_RELAY_KEY`. */
  prepare(keys: readonly string[]): () => void {
    const next = usable(keys);
    return () => {
      this.#keys = next;
    };
  }

  /** The query that proves a claim. */
  sign(claim: Omit<RelayClaim, 'expires'>): string {
    return signRelay({ ...claim, expires: Math.floor(Date.now() / 1_000) + VALID_S }, this.#keys[0]);
  }

  /** The claim in `query` for `stream` if it is proven; else undefined. */
  verify(stream: string, query: URLSearchParams): RelayClaim | undefined {
    return verifyRelay(stream, query, this.#keys, Date.now() / 1_000);
  }
}

function usable(keys: readonly string[]): readonly [string, ...string[]] {
  const [first, ...others] = keys;
  if (first !== undefined) return [first, ...others];
  throw new ConfigError('EDGE_RELAY_KEY', 'relay.keys is empty: give all nodes of the cluster the same secret key.');
}
