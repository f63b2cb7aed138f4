/**
 * ClickHouse server: listeners, users, replicas by shard and Keeper on up to three servers. One server alone has Keeper too:
 * only replicated tables note a batch and its rows in one step, so only they keep batches exactly once through a kill
 * (../clickhouse/README.md). The tables themselves are made by `weir migrate`, which ingest runs before it starts.
 */
import { DATABASE } from '@weir/contracts/tables';
import { secretReference } from '@weir/contracts/topology/schema';
import { stringify } from 'yaml';
import { innerOpening } from './firewall.ts';
import { type NamedMachine, type Plan, withRole } from './plan.ts';
import { type Contribution, header, type RenderedFile } from './rendered.ts';

const GROUP = 'clickhouse';
const REACTION = { verb: 'restart', unit: 'clickhouse-server.service' } as const;
const MAX_KEEPERS = 3;
/** Made by `weir migrate` over the tables of all shards. */
export const DISTRIBUTED_DATABASE = `${DATABASE}_all`;
const NODE_SECRETS = [
  { name: 'CLICKHOUSE_PASSWORD', purpose: 'the user that writes to ClickHouse' },
  { name: 'CLICKHOUSE_PASSWORD_READ', purpose: 'the user that only reads from ClickHouse' },
] as const;

export function clickhouseServer(plan: Plan, machine: NamedMachine): Contribution {
  const { ports } = plan.topology;
  const servers = withRole(plan, 'clickhouse');
  const hasPartners = servers.length > 1;
  const files = [
    yamlFile(machine, '/etc/clickhouse-server/config.d/weir.yaml', 'ClickHouse', {
      listen_host: ['127.0.0.1', machine.address],
      http_port: ports.clickhouse,
      tcp_port: ports.clickhouseNative,
      ...clusterSettings(plan, machine, servers),
    }),
    yamlFile(machine, '/etc/clickhouse-server/users.d/weir.yaml', 'ClickHouse users', users(plan, hasPartners)),
  ];
  const inside = servers.map((server) => server.address);
  return {
    packages: ['clickhouse-server', 'clickhouse-client'],
    files,
    units: ['clickhouse-server.service'],
    secrets: [
      ...NODE_SECRETS,
      ...(hasPartners ? [{ name: 'CLICKHOUSE_PASSWORD_CLUSTER', purpose: 'ClickHouse servers among themselves' }] : []),
    ],
    openings: [
      innerOpening(plan, [ports.clickhouse], 'ClickHouse over HTTP'),
      ...(hasPartners
        ? [
            {
              ports: [ports.clickhouseNative, ports.keeper, ports.keeperRaft, 9009],
              protocol: 'tcp' as const,
              from: inside,
              comment: 'ClickHouse cluster',
            },
          ]
        : []),
    ],
  };
}

function clusterSettings(plan: Plan, machine: NamedMachine, servers: readonly NamedMachine[]): object {
  const { ports, cluster } = plan.topology;
  const hasPartners = servers.length > 1;
  const secret = secretReference('CLICKHOUSE_PASSWORD_CLUSTER');
  const shards = shardsOf(servers);
  const keepers = servers.slice(0, servers.length < MAX_KEEPERS ? 1 : MAX_KEEPERS);
  const id = keepers.findIndex((keeper) => keeper.name === machine.name) + 1;
  const raft = keepers.map((keeper, at) => ({ id: at + 1, hostname: keeper.address, port: ports.keeperRaft }));
  return {
    interserver_http_host: machine.address,
    ...(hasPartners ? { interserver_http_credentials: { user: 'interserver', password: secret } } : {}),
    macros: { cluster, shard: String(shardOf(machine)), replica: machine.name },
    remote_servers: {
      [cluster]: {
        ...(hasPartners ? { secret } : {}),
        shard: shards.map((replicas) => ({
          internal_replication: true,
          replica: replicas.map((server) => ({ host: server.address, port: ports.clickhouseNative })),
        })),
      },
    },
    zookeeper: { node: keepers.map((keeper) => ({ host: keeper.address, port: ports.keeper })) },
    distributed_ddl: { path: '/clickhouse/task_queue/ddl' },
    ...(id > 0
      ? {
          keeper_server: {
            tcp_port: ports.keeper,
            server_id: id,
            log_storage_path: '/var/lib/clickhouse/coordination/log',
            snapshot_storage_path: '/var/lib/clickhouse/coordination/snapshots',
            raft_configuration: { server: raft },
          },
        }
      : {}),
  };
}

function shardOf({ shard = 1 }: NamedMachine): number {
  return shard;
}

/** Servers by shard, in its order. */
function shardsOf(servers: readonly NamedMachine[]): NamedMachine[][] {
  const numbers = [...new Set(servers.map(shardOf))].sort((a, b) => a - b);
  return numbers.map((number) => servers.filter((server) => shardOf(server) === number));
}

/** The database that ingest and readers use: with several shards the one that spans them. */
export function databaseOf(plan: Plan): string {
  return hasShards(plan) ? DISTRIBUTED_DATABASE : DATABASE;
}

export function hasShards(plan: Plan): boolean {
  return shardsOf(withRole(plan, 'clickhouse')).length > 1;
}

/**
 * What keeps a batch exactly once (also set by ingest, where it knows) where there are several replicas: an insert counts when
 * most replicas have it, so that the death of one takes nothing that was acknowledged; the same batch again is recognised by
 * its token in the table and in all that views make of it; a batch for several shards is done when every shard has its piece.
 */
const EXACTLY_ONCE = {
  insert_quorum: 'auto',
  insert_quorum_parallel: 1,
  insert_quorum_timeout: 60_000,
  insert_deduplicate: 1,
  deduplicate_blocks_in_dependent_materialized_views: 1,
  distributed_foreground_insert: 1,
};

/** The writer may make and change the database `weir`; the reader is bounded in time, rows and memory. */
function users(plan: Plan, hasPartners: boolean): object {
  const networks = { ip: '::/0' };
  const databases = [DATABASE, ...(hasShards(plan) ? [DISTRIBUTED_DATABASE] : []), 'system'];
  return {
    profiles: {
      weir_write: { async_insert: 0, max_memory_usage: 0, ...(hasPartners ? EXACTLY_ONCE : {}) },
      weir_read: {
        readonly: 2,
        max_execution_time: 30,
        max_result_rows: 1_000_000,
        max_memory_usage: 4_294_967_296,
        allow_ddl: 0,
        // views join tables that span shards
        ...(hasShards(plan) ? { distributed_product_mode: 'global' } : {}),
      },
    },
    users: {
      weir: { password: secretReference('CLICKHOUSE_PASSWORD'), networks, profile: 'weir_write', quota: 'default' },
      weir_read: {
        password: secretReference('CLICKHOUSE_PASSWORD_READ'),
        networks,
        profile: 'weir_read',
        quota: 'default',
        grants: { query: databases.map((name) => `GRANT SELECT ON ${name}.*`) },
      },
    },
  };
}

function yamlFile(machine: NamedMachine, path: string, what: string, content: object): RenderedFile {
  return {
    path,
    mode: '0640',
    group: GROUP,
    content: header(machine.name, what) + stringify(content, { lineWidth: 0 }),
    reaction: REACTION,
  };
}
