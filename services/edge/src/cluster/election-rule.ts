/**
 * Who serves as origin when too few origins live (L15): a pure rule that every edge applies to what it sees. Leases on
 * numbered places in KV (election.ts) make it safe when two edges see different things.
 */
import { rendezvousOrder, type Weighted } from './rendezvous.ts';

/** A live node as the rule sees it. */
export interface Voter extends Weighted {
  role: 'edge' | 'origin';
  draining: boolean;
}

/** What one edge sees. */
export interface Scene {
  /** Live nodes, this one included. */
  nodes: readonly Voter[];
  /** Who holds which place; live leases only. */
  places: ReadonlyMap<number, string>;
  /** Origins wanted; 0 = {@link wantedOrigins}. */
  wanted: number;
}

/** What the rule tells one edge to do. */
export type Decision = { kind: 'stay' } | { kind: 'take'; place: number } | { kind: 'give-up' };

const SHARE_OF_NODES = 0.1;
const LEAST_ORIGINS = 2;
/** With fewer edges every way is direct, and an origin between them would only be one more hop. */
const LEAST_EDGES = 3;
/** Any text all nodes share: it spreads the order of candidates. */
const ELECTION = 'origins';

/** Origins a cluster of `nodes` live nodes should have: a tenth, two at least (the source's example: 18 of 181). */
export function wantedOrigins(nodes: number): number {
  return Math.max(LEAST_ORIGINS, Math.round(nodes * SHARE_OF_NODES));
}

/** How many edges should be elected at present. Configured origins that come back replace elected ones one by one. */
export function electedTarget({ nodes, places, wanted: fixed }: Scene): number {
  const serving = nodes.filter(({ draining }) => !draining);
  const edges = serving.filter(({ role }) => role === 'edge').length;
  if (edges < LEAST_EDGES) return 0;
  const wanted = fixed > 0 ? fixed : wantedOrigins(nodes.length);
  const configured = serving.length - edges;
  const missing = Math.min(edges, Math.max(0, wanted - configured));
  return configured < wanted / 2 ? missing : Math.min(places.size, missing);
}

/** What the edge `self` should do now. */
export function decide(scene: Scene, self: string): Decision {
  const { nodes, places } = scene;
  const target = electedTarget(scene);
  const mine = [...places].find(([, node]) => node === self)?.[0];
  const me = nodes.find(({ node }) => node === self);
  if (mine !== undefined) {
    // Of those who hold a place the lowest places stay.
    const rank = [...places.keys()].filter((place) => place < mine).length;
    return rank >= target || me?.draining ? { kind: 'give-up' } : { kind: 'stay' };
  }
  const vacancies = target - places.size;
  if (vacancies <= 0 || !me || me.draining || me.role !== 'edge') return { kind: 'stay' };
  const holders = new Set(places.values());
  const candidates = nodes.filter(({ node, role, draining }) => role === 'edge' && !draining && !holders.has(node));
  const rank = rendezvousOrder(ELECTION, candidates).findIndex(({ node }) => node === self);
  const place = freePlaces(places, vacancies)[rank];
  return place === undefined ? { kind: 'stay' } : { kind: 'take', place };
}

/** The `count` lowest places nobody holds. */
function freePlaces(places: ReadonlyMap<number, string>, count: number): number[] {
  const free: number[] = [];
  for (let place = 0; free.length < count; place += 1) if (!places.has(place)) free.push(place);
  return free;
}
