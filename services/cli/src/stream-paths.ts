/** The way of each stream through the cluster, put together from what every node says of itself. After it: `weir streams`, `weir status`. */
import type { ControlAnswer, NodeStream } from '@weir/contracts/nats/control';

/** One node on the way of a stream, with those that pull from it. */
export interface Hop {
  node: string;
  viewers: number;
  /** Publishers that stand by there. */
  standbys: number;
  /** Of its pull; `filler` while a clip stands in for the stream. */
  state: string;
  next: Hop[];
}

/** One stream in the whole cluster. */
export interface StreamPath {
  /** `app/name`. */
  stream: string;
  /** Viewers on all nodes; relays between nodes are none. */
  viewers: number;
  /** Unix time, ms, of the publish; 0 = nobody publishes it. */
  publishedAtMs: number;
  /** Where it is published, empty when nowhere. */
  publisher: string;
  /** The publishing node first; nodes whose source did not answer come beside it. */
  roots: Hop[];
}

/** The paths of all streams, by name. */
export function streamPaths(answers: readonly ControlAnswer[]): StreamPath[] {
  const byStream = new Map<string, Map<string, NodeStream>>();
  for (const answer of answers) {
    for (const stream of answer.ok ? (answer.streams ?? []) : []) {
      const nodes = byStream.get(stream.stream) ?? new Map<string, NodeStream>();
      byStream.set(stream.stream, nodes.set(answer.node, stream));
    }
  }
  return [...byStream]
    .map(([stream, nodes]) => pathOf(stream, nodes))
    .toSorted((a, b) => a.stream.localeCompare(b.stream, 'en', { numeric: true }));
}

/** A path in one line: `edge-1 (1) → origin-1 → edge-2 (12), edge-3 (4)`, with the viewers of each node. */
export function pathLine({ roots }: StreamPath): string {
  return roots.map(wayFrom).join(' and ');
}

function wayFrom({ node, viewers, next }: Hop): string {
  const here = viewers > 0 ? `${node} (${viewers})` : node;
  if (next.length === 0) return here;
  // Among several, one that leads further is kept together.
  const on = next.map((hop) => (next.length > 1 && hop.next.length > 0 ? `[${wayFrom(hop)}]` : wayFrom(hop)));
  return `${here} → ${on.join(', ')}`;
}

function pathOf(stream: string, nodes: ReadonlyMap<string, NodeStream>): StreamPath {
  const placed = new Set<string>();
  const hop = (node: string): Hop => {
    placed.add(node);
    const here = nodes.get(node);
    // A node is placed once: answers come at slightly different times and may contradict each other.
    const next = [...nodes].filter(([name, { from }]) => from === node && !placed.has(name)).map(([name]) => name);
    const state = here?.source === 'filler' ? 'filler' : (here?.state ?? '');
    const { viewers = 0, standbys = 0 } = here ?? {};
    return { node, viewers, standbys, state, next: sorted(next).map(hop) };
  };
  const publishers = [...nodes].filter(([, { source }]) => source === 'publisher').map(([node]) => node);
  const roots = sorted(publishers).map(hop);
  const isRoot = ([node, { from }]: [string, NodeStream]) => !placed.has(node) && !nodes.has(from);
  for (const [node] of [...nodes].filter(isRoot)) roots.push(hop(node));
  for (const node of nodes.keys()) if (!placed.has(node)) roots.push(hop(node));
  const all = [...nodes.values()];
  return {
    stream,
    viewers: all.reduce((sum, { viewers }) => sum + viewers, 0),
    publishedAtMs: publishers.reduce((newest, node) => Math.max(newest, nodes.get(node)?.epoch ?? 0), 0),
    publisher: publishers[0] ?? '',
    roots,
  };
}

function sorted(nodes: string[]): string[] {
  return nodes.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}
