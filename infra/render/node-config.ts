/** Configuration files of Weir's own processes on a machine, in the keys of `contracts/config/schema`. */
import type { PartialConfig } from '@weir/contracts/config/schema';
import { parseSpeed } from '@weir/contracts/topology/network';
import { secretReference } from '@weir/contracts/topology/schema';
import { stringify } from 'yaml';
import { databaseOf, hasShards } from './clickhouse.ts';
import { userOf } from './nats-rights.ts';
import {
  clickhouseFor,
  directedGroup,
  groupOf,
  interfaceOf,
  type NamedMachine,
  natsServersFor,
  nodeName,
  nodeNatsSecret,
  type Plan,
  withRole,
} from './plan.ts';
import { header, type RenderedFile } from './rendered.ts';

/** Group of Weir's processes: may read their configuration, with the secrets in it. */
export const WEIR_GROUP = 'weir';

/** What the player shows ingest. It stands in every page, so it keeps other pages out and no attacker. */
export const FARO_SECRET = 'FARO_KEY';

const EDGE_CONNECTIONS = 8_000;
const ORIGIN_CONNECTIONS = 10_000;
const DNS_PORT = 53;

export function edgeConfig(plan: Plan, machine: NamedMachine): RenderedFile {
  const { ports, clientTls, faro } = plan.topology;
  const hidden = groupOf(plan, machine) !== undefined;
  return mediaConfig(plan, machine, 'edge', {
    rtmp: {
      port: hidden ? ports.rtmpHidden : ports.rtmp,
      ...(clientTls.enabled ? { tlsPort: hidden ? ports.rtmpsHidden : ports.rtmps } : {}),
    },
    http: { port: ports.node, ...(clientTls.enabled ? { tlsPort: ports.nodeTls } : {}) },
    ...(clientTls.enabled ? { tls: { certFile: clientTls.cert, keyFile: clientTls.key } } : {}),
    relay: { port: ports.relay },
    ...(faro.url === '' ? {} : { player: { faroUrl: faro.url, faroKey: secretReference(FARO_SECRET) } }),
    limits: { connections: machine.connections ?? EDGE_CONNECTIONS },
  });
}

export function originConfig(plan: Plan, machine: NamedMachine): RenderedFile {
  const { ports } = plan.topology;
  return mediaConfig(plan, machine, 'origin', {
    rtmp: { port: ports.originRtmp },
    http: { port: ports.originNode },
    relay: { port: ports.originRelay },
    limits: { connections: machine.connections ?? ORIGIN_CONNECTIONS },
  });
}

function mediaConfig(plan: Plan, machine: NamedMachine, role: 'edge' | 'origin', own: PartialConfig): RenderedFile {
  const { topology } = plan;
  const node = nodeName(machine, role);
  const origins = withRole(plan, 'origin').map(
    (origin) => `${nodeName(origin, 'origin')}=${origin.address}:${topology.ports.originRelay}`,
  );
  return configFile(machine, role, {
    ...common(plan, machine),
    node: { name: node, role, dataDir: `/var/lib/weir/${role}`, advertise: machine.address },
    ...own,
    relay: { ...own.relay, keys: topology.relayKeys.map(secretReference), origins },
    nats: nats(plan, machine, userOf(plan, node, role), nodeNatsSecret(plan, node, role)),
  });
}

export function ingestConfig(plan: Plan, machine: NamedMachine): RenderedFile {
  const { ports, faro } = plan.topology;
  const host = clickhouseFor(plan, machine);
  return configFile(machine, 'ingest', {
    ...common(plan, machine),
    ingest: { port: ports.ingest, name: machine.name },
    ...(faro.url === ''
      ? {}
      : { faro: { keys: [`player=${secretReference(FARO_SECRET)}`], ...(faro.open ? {} : { trustProxy: true }) } }),
    nats: nats(plan, machine, 'ingest', 'NATS_PASSWORD_INGEST'),
    clickhouse: {
      url: `http://${host ?? '127.0.0.1'}:${ports.clickhouse}`,
      password: secretReference('CLICKHOUSE_PASSWORD'),
      readPassword: secretReference('CLICKHOUSE_PASSWORD_READ'),
      cluster: host === undefined ? '' : plan.topology.cluster,
      ...(hasShards(plan) ? { database: databaseOf(plan) } : {}),
    },
  });
}

export function agentConfig(plan: Plan, machine: NamedMachine): RenderedFile {
  const { dns } = plan.topology;
  const node = nodeName(machine, 'agent');
  const group = directedGroup(plan, machine.name);
  const directed = group && {
    groups: [
      `${group.name} address=${group.virtualAddress} card=${interfaceOf(plan, machine)} directors=${group.directors.length}`,
    ],
    ipvs: true,
  };
  const asked = machine.roles.includes('dns') && {
    dnsServer: `${machine.address}:${DNS_PORT}`,
    dnsNames: dns.records.map(({ name }) => (name === '@' ? dns.zone : `${name}.${dns.zone}`)),
  };
  return configFile(machine, 'agent', {
    ...common(plan, machine),
    node: { name: node, dataDir: '/var/lib/weir/agent' },
    agent: { ...directed, ...asked },
    nats: nats(plan, machine, userOf(plan, node, 'agent'), nodeNatsSecret(plan, node, 'agent')),
  });
}

function common(plan: Plan, machine: NamedMachine): PartialConfig {
  const { topology } = plan;
  const cards = Object.entries(machine.cards).map(([card, speed]) => `${card}=${parseSpeed(speed) ?? 0}`);
  return {
    cluster: topology.cluster,
    site: machine.site,
    machine: { stateDir: '/var/lib/weir', cards },
    telemetry: { intervalMs: topology.telemetry.intervalMs, partitions: topology.telemetry.partitions },
  };
}

function nats(plan: Plan, machine: NamedMachine, user: string, secret: string): NonNullable<PartialConfig['nats']> {
  return {
    servers: natsServersFor(plan, machine),
    user,
    password: secretReference(secret),
    replicas: Math.min(3, withRole(plan, 'nats').length),
  };
}

function configFile(machine: NamedMachine, role: string, config: PartialConfig): RenderedFile {
  return {
    path: `/etc/weir/${role}.yaml`,
    mode: '0640',
    group: WEIR_GROUP,
    content: header(machine.name, `Configuration of the ${role}`) + stringify(config, { lineWidth: 0 }),
    reaction: { verb: 'restart', unit: `weir-${role}.service` },
  };
}
