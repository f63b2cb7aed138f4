/** `weir nodes`: the cluster's nodes, alive by NATS KV and measured by ClickHouse, side by side. */
import type { NodeRecord } from '@weir/contracts/nats/records';
import type { CliCommand } from '../cli-command.ts';
import { viewDatabase, viewNats } from '../cluster-view.ts';
import type { NodeLoad } from '../node-load.ts';
import { type Column, tableLines } from '../print/table.ts';
import { bytes, duration, percent } from '../print/units.ts';
import { findRun } from '../run-state.ts';

interface Row {
  name: string;
  role: string;
  alive: NodeRecord | undefined;
  load: NodeLoad | undefined;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'node', value: (row) => row.name },
  { title: 'role', value: (row) => row.role },
  { title: 'state', value: ({ alive }) => stateOf(alive) },
  { title: 'weight', align: 'right', value: (row) => String(row.alive?.weight ?? '–') },
  { title: 'site', value: (row) => row.alive?.site ?? '–' },
  { title: 'rtmp', value: (row) => row.alive?.addresses.rtmp ?? '–' },
  { title: 'http', value: (row) => row.alive?.addresses.http ?? '–' },
  {
    title: 'up',
    align: 'right',
    value: ({ alive }) => (alive ? duration((Date.now() - alive.startedAtMs) / 1_000) : '–'),
  },
  { title: 'cpu', align: 'right', value: ({ load }) => (load?.process_cpu == null ? '–' : percent(load.process_cpu)) },
  {
    title: 'memory',
    align: 'right',
    value: ({ load }) => (load?.process_memory == null ? '–' : bytes(load.process_memory)),
  },
  { title: 'publishers', align: 'right', value: (row) => String(row.alive?.load.publishers ?? '–') },
  { title: 'viewers', align: 'right', value: (row) => String(row.alive?.load.viewers ?? '–') },
  { title: 'relays', align: 'right', value: (row) => String(row.alive?.load.relays ?? '–') },
  { title: 'streams', align: 'right', value: (row) => String(row.alive?.load.streams ?? '–') },
];

export const nodes: CliCommand = {
  description:
    'List the nodes of the cluster: who is alive (heartbeats in NATS) with its addresses and connections, and what it costs ' +
    '(newest sample in ClickHouse). A node that ClickHouse heard of within a minute and NATS does not know is silent.',
  sections: ['nats', 'clickhouse'],
  examples: [
    ['weir nodes', 'a table'],
    ['weir nodes --json', 'for scripts: one array'],
  ],
  define(command) {
    command.option('--json', 'print the nodes as a JSON array');
    command.option('--data <dir>', 'data directory of the running system (default: .weir here or above)');
  },
  async run({ config: read, options }) {
    const config = read(findRun(options.data as string | undefined)?.config);
    const [nats, clickhouse] = await Promise.all([viewNats(config.nats), viewDatabase(config.clickhouse)]);
    for (const view of [nats, clickhouse]) if (!view.reachable) process.stderr.write(`weir: ${view.reason}\n`);
    const rows = join(nats.reachable ? nats.nodes : [], clickhouse.reachable ? clickhouse.load : []);
    if (options.json === true) {
      const list = rows.map(({ name, role, alive, load }) => ({
        node: name,
        role,
        alive: alive ?? null,
        load: load ?? null,
      }));
      process.stdout.write(`${JSON.stringify(list)}\n`);
    } else process.stdout.write(`${tableLines(COLUMNS, rows).join('\n')}\n`);
    return nats.reachable || clickhouse.reachable ? 0 : 1;
  },
};

function stateOf(alive: NodeRecord | undefined): string {
  if (alive === undefined) return 'silent';
  if (alive.draining) return 'draining';
  return alive.elected ? 'elected' : 'alive';
}

/** Every node that either side knows, live ones first. */
function join(alive: readonly NodeRecord[], load: readonly NodeLoad[]): Row[] {
  const loads = new Map(load.map((row) => [row.node, row]));
  const known = new Set(alive.map((record) => record.node));
  return [
    ...alive.map((record) => ({ name: record.node, role: record.role, alive: record, load: loads.get(record.node) })),
    ...load
      .filter((row) => !known.has(row.node))
      .map((row) => ({ name: row.node, role: row.role, alive: undefined, load: row })),
  ];
}
