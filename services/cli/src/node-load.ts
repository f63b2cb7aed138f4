/** The nodes' newest load as ClickHouse has it: what the live table of `weir up` and `weir nodes` print. */
import { VIEW } from '@weir/contracts/tables';
import type { Database } from './clickhouse.ts';
import { type Column, tableLines } from './print/table.ts';
import { bitRate, bytes, percent } from './print/units.ts';

/** Newest row of the view `node_load` for one node. */
export interface NodeLoad {
  /** `YYYY-MM-DD hh:mm:ss` in UTC. */
  time: string;
  node: string;
  role: string;
  machine_id: string;
  /** Share of all logical processors of the machine. */
  cpu: number | null;
  /** Share of the machine's memory. */
  memory: number | null;
  network_in_bits: number | null;
  network_out_bits: number | null;
  /** Cores. */
  process_cpu: number | null;
  /** Bytes. */
  process_memory: number | null;
  publishers: number;
  viewers: number;
  relays: number;
  streams: number;
}

/** Older than this is no present load any more. */
const RECENT_SECONDS = 60;

/** The newest load of each node that reported within the last minute, by name. */
export function recentLoad(database: Database): Promise<NodeLoad[]> {
  return database.rows<NodeLoad>(
    `SELECT * FROM (SELECT * FROM ${VIEW.nodeLoad} WHERE time > now() - INTERVAL ${RECENT_SECONDS} SECOND
     ORDER BY time DESC LIMIT 1 BY node) ORDER BY role DESC, node`,
  );
}

const COLUMNS: readonly Column<NodeLoad>[] = [
  { title: 'node', value: (row) => row.node },
  { title: 'role', value: (row) => row.role },
  { title: 'machine cpu', align: 'right', value: (row) => shown(row.cpu, percent) },
  { title: 'memory', align: 'right', value: (row) => shown(row.memory, percent) },
  { title: 'net in', align: 'right', value: (row) => shown(row.network_in_bits, bitRate) },
  { title: 'net out', align: 'right', value: (row) => shown(row.network_out_bits, bitRate) },
  { title: 'node cpu', align: 'right', value: (row) => shown(row.process_cpu, percent) },
  { title: 'memory', align: 'right', value: (row) => shown(row.process_memory, bytes) },
  { title: 'publishers', align: 'right', value: (row) => shown(row.publishers, String) },
  { title: 'viewers', align: 'right', value: (row) => shown(row.viewers, String) },
  { title: 'relays', align: 'right', value: (row) => shown(row.relays, String) },
  { title: 'streams', align: 'right', value: (row) => shown(row.streams, String) },
];

/** The table's lines: the machine's figures first, then the node's own. */
export function loadLines(rows: readonly NodeLoad[]): string[] {
  return tableLines(COLUMNS, rows);
}

function shown(value: number | string | null, format: (value: number) => string): string {
  return value === null ? '–' : format(Number(value));
}
