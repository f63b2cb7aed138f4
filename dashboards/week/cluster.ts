/**
 * The cluster whose week is generated: 18 edges and 2 origins in two sites, two directors and a name server in front of one
 * of them, twelve streams with names that people really type, and one copy of ingest. Constants only; week/points.ts turns
 * them into figures.
 */

/** Name of the generated cluster. */
export const WEEK_CLUSTER = 'weir';

/** One node of the generated cluster. */
export interface WeekNode {
  readonly index: number;
  readonly node: string;
  readonly role: 'edge' | 'origin' | 'ingest' | 'agent';
  readonly site: string;
  readonly machineId: string;
  /** Relative strength: its share of the viewers. */
  readonly weight: number;
  readonly cardBits: number;
}

/** edge-17 and edge-18 share a machine: its traffic must count once. */
export function weekNodes(): WeekNode[] {
  const edges = Array.from({ length: 18 }, (_, index): WeekNode => {
    const node = `edge-${String(index + 1).padStart(2, '0')}`;
    return {
      index,
      node,
      role: 'edge',
      site: index < 9 ? 'fra' : 'ams',
      machineId: node === 'edge-18' ? 'm-edge-17' : `m-${node}`,
      weight: 0.7 + ((index * 7) % 13) / 20,
      cardBits: 1e9,
    };
  });
  const origins = ['origin-1', 'origin-2'].map((node, i): WeekNode => {
    const site = i === 0 ? 'fra' : 'ams';
    return { index: 18 + i, node, role: 'origin', site, machineId: `m-${node}`, weight: 0, cardBits: 1e10 };
  });
  const ingest: WeekNode = {
    index: 20,
    node: 'ingest-1',
    role: 'ingest',
    site: 'fra',
    machineId: 'm-core-1',
    weight: 0,
    cardBits: 1e10,
  };
  const agents = ['director-1', 'director-2', 'dns-1'].map(
    (node, i): WeekNode => ({
      index: 21 + i,
      node,
      role: 'agent',
      site: 'fra',
      machineId: `m-${node}`,
      weight: 0,
      cardBits: 1e9,
    }),
  );
  return [...edges, ...origins, ingest, ...agents];
}

/** The group of directors in front of the site `fra`, and the name its virtual address is behind. */
export const WEEK_GROUP = {
  name: 'fra',
  service: '203.0.113.10:1935',
  address: '203.0.113.10',
  backup: '198.51.100.10',
  dnsName: 'live.example.org',
} as const;

/** The edges behind the group, as its directors know them. */
export function balancedEdges(): { server: string; weight: number }[] {
  return weekNodes()
    .filter(({ role, site }) => role === 'edge' && site === 'fra')
    .map(({ index, weight }) => ({ server: `192.0.2.${index + 1}:19350`, weight }));
}

/** One stream; popularity is relative. */
export interface WeekStream {
  readonly app: string;
  readonly stream: string;
  readonly popularity: number;
  /** Index of the edge its publisher is connected to. */
  readonly publisherEdge: number;
  readonly bitrateBits: number;
}

/** Names as customers give them: quotes, SQL, `$`, emoji, separators, a backslash at the end. */
export function weekStreams(): WeekStream[] {
  const names: [string, string][] = [
    ['live', 'concert'],
    ['sport', 'final "2026"'],
    ['live', 'news'],
    ['live', "o'brien"],
    ['kids', '😀 cartoons'],
    ['shop', 'a&b=c,d'],
    ['news', '$__timeFilter(time)'],
    ['live', 'tail\\'],
    ['evil', "x'; DROP TABLE weir.metric_1m; --"],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a name that looks like a variable
    ['live', '${node}'],
    ['radio', '*'],
    ['radio', '{a,b}'],
  ];
  return names.map(([app, stream], j) => ({
    app,
    stream,
    popularity: 1 / (j + 1),
    publisherEdge: (j * 5) % 18,
    bitrateBits: 870_000 + 40_000 * j,
  }));
}

/** Which stream has viewers on which edge, with its share of that edge's viewers. */
export function streamShares(): { edge: WeekNode; stream: WeekStream; share: number }[] {
  const streams = weekStreams();
  return weekNodes()
    .filter((node) => node.role === 'edge')
    .flatMap((edge) => {
      const here = streams.filter((stream, j) => stream.publisherEdge === edge.index || (edge.index + j * 3) % 18 < 6);
      const total = here.reduce((sum, stream) => sum + stream.popularity, 0);
      return here.map((stream) => ({ edge, stream, share: stream.popularity / total }));
    });
}
