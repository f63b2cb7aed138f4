/** `weir nodes`: the cluster's nodes, alive by NATS KV and measured by ClickHouse, side by side; who is expected and who not. */
import { ConfigError } from '@weir/contracts/errors';
import { isNodeName } from '@weir/contracts/nats/names';
import type { AgentRecord, NodeRecord } from '@weir/contracts/nats/records';
import type { CliCommand, Invocation } from '../cli-command.ts';
import { openDatabase } from '../clickhouse.ts';
import { viewDatabase, viewNats } from '../cluster-view.ts';
import { type Member, markNodes, members } from '../membership.ts';
import type { NodeLoad } from '../node-load.ts';
import { type Column, tableLines } from '../print/table.ts';
import { bytes, duration, percent } from '../print/units.ts';
import { type RefusedLogin, refusedLogins } from '../refused-logins.ts';
import { findRun } from '../run-state.ts';

interface Row {
  name: string;
  role: string;
  alive: NodeRecord | undefined;
  /** Of an agent, which is alive but no member. */
  agent: AgentRecord | undefined;
  load: NodeLoad | undefined;
  /** What is wrong with it, one sentence each. */
  reasons: string[];
}

/** Clocks farther off put figures beside each other that do not belong together. */
const MAX_CLOCK_OFFSET_SECONDS = 2;

const COLUMNS: readonly Column<Row>[] = [
  { title: 'node', value: (row) => row.name },
  { title: 'role', value: (row) => row.role },
  { title: 'state', value: ({ alive, agent }) => (agent ? 'alive' : stateOf(alive)) },
  { title: 'weight', align: 'right', value: (row) => String(row.alive?.weight ?? '–') },
  { title: 'site', value: ({ alive, agent }) => (alive ?? agent)?.site ?? '–' },
  { title: 'rtmp', value: (row) => row.alive?.addresses.rtmp ?? '–' },
  { title: 'http', value: (row) => row.alive?.addresses.http ?? '–' },
  {
    title: 'up',
    align: 'right',
    value: ({ alive, agent }) => {
      const life = alive ?? agent;
      return life ? duration((Date.now() - life.startedAtMs) / 1_000) : '–';
    },
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
  { title: 'why', value: (row) => row.reasons.join(' ') },
];

export const nodes: CliCommand = {
  description:
    'List the nodes of the cluster: who is alive (heartbeats in NATS) with its addresses and connections, and what it costs ' +
    '(newest sample in ClickHouse). A node belongs to the cluster from being ' +
    'expected or first heard of until it is retired; one that belongs to it and has no heartbeat is silent.',
  sections: ['cluster', 'nats', 'clickhouse'],
  examples: [
    ['weir nodes', 'a table'],
    ['weir nodes --json', 'for scripts: one array'],
    ['weir nodes expect edge-7 edge-8', 'they count as silent until they report'],
    ['weir nodes retire edge-3 --reason "sold"', 'it is missed no longer; what it reported stays'],
  ],
  define(command) {
    command.argument('[action]', 'expect or retire; none lists');
    command.argument('[node...]', 'names of nodes');
    command.option('--reason <text>', 'expect, retire: why, for people', '');
    command.option('--json', 'print the nodes as a JSON array');
    command.option('--data <dir>', 'data directory of the running system (default: .weir here or above)');
  },
  async run(invocation) {
    if (invocation.args.length > 0) return mark(invocation);
    const { config: read, options } = invocation;
    const config = read(findRun(options.data as string | undefined)?.config);
    const [nats, clickhouse, refused] = await Promise.all([
      viewNats(config.nats),
      viewDatabase(config.clickhouse),
      refusedLogins(config.nats.monitors),
    ]);
    for (const view of [nats, clickhouse]) if (!view.reachable) process.stderr.write(`weir: ${view.reason}\n`);
    const expected = clickhouse.reachable ? await membersOf(config) : [];
    const { nodes: alive, agents } = nats.reachable ? nats : { nodes: [], agents: [] };
    const rows = join(alive, agents, clickhouse.reachable ? clickhouse.load : [], expected, refused);
    if (options.json === true) {
      const list = rows.map(({ name, role, alive, agent, load, reasons }) => ({
        node: name,
        role,
        alive: alive ?? agent ?? null,
        load: load ?? null,
        reasons,
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

type DatabaseConfig = Parameters<typeof openDatabase>[0];

async function membersOf(config: { cluster: string; clickhouse: DatabaseConfig }): Promise<Member[]> {
  const database = openDatabase(config.clickhouse, 'reader');
  try {
    return await members(database, config.cluster);
  } finally {
    await database.close();
  }
}

const MARKS = { expect: 'expected', retire: 'retired' } as const;

async function mark({ args, config: read, options }: Invocation): Promise<number> {
  const [action = '', ...names] = args;
  if (action !== 'expect' && action !== 'retire')
    throw new ConfigError('NODES_ACTION', `weir nodes knows expect and retire, not "${action}".`);
  if (names.length === 0) throw new ConfigError('NODES_WHICH', `weir nodes ${action} needs the name of a node.`);
  const wrong = names.find((name) => !isNodeName(name));
  if (wrong !== undefined)
    throw new ConfigError('NODES_NAME', `"${wrong}" is no node name: letters, digits, - and _, at most 63.`);
  const config = read(findRun(options.data as string | undefined)?.config);
  const database = openDatabase(config.clickhouse, 'writer');
  try {
    const reason = String(options.reason ?? '');
    await markNodes(database, { cluster: config.cluster, nodes: names, mark: MARKS[action], reason });
  } finally {
    await database.close();
  }
  process.stdout.write(`${names.join(', ')}: ${MARKS[action]} from now on.\n`);
  return 0;
}

/** Every node that any side knows: live ones first, then those that report, then members nobody hears of. */
function join(
  alive: readonly NodeRecord[],
  agents: readonly AgentRecord[],
  load: readonly NodeLoad[],
  expected: readonly Member[],
  refused: ReadonlyMap<string, RefusedLogin>,
): Row[] {
  const loads = new Map(load.map((row) => [row.node, row]));
  const roster = new Map(expected.map((member) => [member.node, member]));
  const lives = new Map(alive.map((record) => [record.node, record]));
  const watchers = new Map(agents.map((record) => [record.node, record]));
  const versions = [...alive, ...agents]
    .map(({ version }) => version)
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  const names = new Set([...lives.keys(), ...watchers.keys(), ...loads.keys(), ...roster.keys(), ...refused.keys()]);
  return [...names].map((name) => {
    const [live, row, member] = [lives.get(name), loads.get(name), roster.get(name)];
    // a node goes before an agent of the same name
    const agent = live ? undefined : watchers.get(name);
    const life = live ?? agent;
    const role = life?.role ?? row?.role ?? member?.role ?? '';
    return {
      name,
      role,
      alive: live,
      agent,
      load: row,
      reasons: reasonsOf(life, row, member, versions.at(-1) ?? '', refused.get(name)),
    };
  });
}

/** What is wrong with a node, as far as it can be told from outside; a node's own log says more. */
function reasonsOf(
  alive: NodeRecord | AgentRecord | undefined,
  load: NodeLoad | undefined,
  member: Member | undefined,
  newestVersion: string,
  refused: RefusedLogin | undefined,
): string[] {
  const reasons: string[] = [];
  if (!alive && refused) {
    const { address, at } = refused;
    const mend = 'check its nats.user, nats.password, nats.token or nats.credsFile.';
    reasons.push(`NATS refuses its credentials (from ${address}, last at ${at.slice(11, 19)} UTC): ${mend}`);
  }
  if (!alive && load) reasons.push('Its figures arrive, its heartbeat in NATS does not.');
  else if (!alive && member && member.last_seen === null)
    reasons.push(
      `Expected since ${member.since.slice(0, 16)}, never heard of: check its NATS address and credentials.`,
    );
  else if (!alive && member) reasons.push(`Silent since ${String(member.last_seen).slice(0, 19)}.`);
  if (alive?.rival) {
    const { machineId, address, atMs } = alive.rival;
    const who = `${machineId === alive.machineId ? 'Another process' : 'Another machine'} (${machineId}, ${address})`;
    const secondsAgo = Math.max(0, Math.round((Date.now() - atMs) / 1_000));
    reasons.push(`${who} asked for its name ${secondsAgo} s ago and was refused.`);
  }
  if (alive && newestVersion !== '' && alive.version !== newestVersion)
    reasons.push(`Its version ${alive.version} is too old: others run ${newestVersion}.`);
  const offset = member?.clock_offset;
  if (offset !== null && offset !== undefined && Math.abs(offset) > MAX_CLOCK_OFFSET_SECONDS)
    reasons.push(`Its machine's clock is off by ${offset.toFixed(1)} s.`);
  return reasons;
}
