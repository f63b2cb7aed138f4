/**
 * Which origin carries which stream: rendezvous hashing, weighted. Every node computes the same order from the same list
 * of origins, without talking to anyone; a dead origin's streams spread over the rest, and no other stream moves (L14).
 */
import { hash } from 'node:crypto';

/** An origin with its weight. */
export interface Weighted {
  node: string;
  /** Relative strength, > 0. */
  capacity: number;
}

/**
 * `nodes` in the order in which they should carry `stream`, best first; the input is not changed.
 * Weights as in "Weighted distributed hash tables" (Schindelhauer, Schomaker 2005): score = -weight / ln(hash).
 */
export function rendezvousOrder<T extends Weighted>(stream: string, nodes: readonly T[]): T[] {
  return nodes
    .map((node) => ({ node, score: rendezvousScore(stream, node) }))
    .sort((a, b) => b.score - a.score || (a.node.node < b.node.node ? -1 : 1))
    .map(({ node }) => node);
}

const HASH_BITS = 52;

function rendezvousScore(stream: string, { node, capacity }: Weighted): number {
  const digits = hash('sha256', `${node}\n${stream}`, 'hex').slice(0, HASH_BITS / 4);
  const uniform = (Number.parseInt(digits, 16) + 0.5) / 2 ** HASH_BITS;
  return -Math.max(capacity, Number.MIN_VALUE) / Math.log(uniform);
}
