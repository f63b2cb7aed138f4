/**
 * From a checked topology to everything each machine needs. Each role contributes files, packages, units, secrets and
 * openings; the firewall is made of all openings together. Same topology, same bytes.
 */
import type { MachineRole, Topology } from '@weir/contracts/topology/schema';
import { agent } from './agent.ts';
import { clickhouseServer } from './clickhouse.ts';
import { firewall, innerOpening, relayOpening } from './firewall.ts';
import { grafana } from './grafana.ts';
import { keepalivedConf } from './keepalived.ts';
import { directorKernel, mediaKernel, serviceKernel } from './kernel.ts';
import { natsLeaf, natsMember } from './nats.ts';
import { edgeConfig, FARO_SECRET, ingestConfig, originConfig } from './node-config.ts';
import {
  directedGroup,
  groupOf,
  interfaceOf,
  makePlan,
  type NamedGroup,
  type NamedMachine,
  needsAgent,
  nodeName,
  nodeNatsSecret,
  type Plan,
} from './plan.ts';
import { nameServer } from './powerdns.ts';
import type { Contribution, NeededFile, NeededSecret, RenderedMachine } from './rendered.ts';
import { SYNC_UNIT, syncUnit } from './sync.ts';
import { addressUnit, firewallUnit, ingestUnit, keepalivedDropIn, mediaUnit, natsUnit } from './systemd.ts';
import { WEIGHTS_UNIT, weightFiles } from './weights.ts';

/** Every machine of the topology, by name. */
export function renderTopology(topology: Topology): RenderedMachine[] {
  const plan = makePlan(topology);
  return plan.machines.map((machine) => renderMachine(plan, machine));
}

const ROLES: Record<MachineRole, (plan: Plan, machine: NamedMachine) => Contribution> = {
  edge,
  origin,
  ingest,
  dns: nameServer,
  nats: (plan, machine) => withUnit(natsMember(plan, machine), machine),
  'nats-leaf': (plan, machine) => withUnit(natsLeaf(plan, machine), machine),
  clickhouse: clickhouseServer,
  grafana,
};

function renderMachine(plan: Plan, machine: NamedMachine): RenderedMachine {
  const directed = directedGroup(plan, machine.name);
  const roles = [...machine.roles].sort();
  const parts = [
    ...(directed ? [director(plan, directed, machine)] : []),
    ...roles.map((role) => ROLES[role](plan, machine)),
    ...(needsAgent(plan, machine) ? [agent(plan, machine)] : []),
  ];
  const media = machine.roles.includes('edge') || machine.roles.includes('origin');
  const kernel = directed ? directorKernel(machine) : media ? mediaKernel(plan, machine) : serviceKernel(machine);
  const files = [
    ...kernel,
    ...parts.flatMap((part) => part.files ?? []),
    firewall(
      plan,
      machine,
      parts.flatMap((part) => part.openings ?? []),
    ),
    firewallUnit(machine),
  ];
  return {
    name: machine.name,
    address: machine.address,
    roles: [...(directed ? ['director'] : []), ...roles],
    packages: [...new Set(['nftables', 'curl', ...parts.flatMap((part) => part.packages ?? [])])].sort(),
    files: files.sort((a, b) => (a.path < b.path ? -1 : 1)),
    units: ['weir-firewall.service', ...new Set(parts.flatMap((part) => part.units ?? []))],
    secrets: uniqueBy(
      'name',
      parts.flatMap((part) => part.secrets ?? []),
    ),
    masked: [...new Set(parts.flatMap((part) => part.masked ?? []))],
    needs: uniqueBy('path', certificates(plan, machine)),
    software: parts.some((part) => part.software === true),
  };
}

/** Certificates are others' to make and to bring; without them nothing that speaks TLS would start. */
function certificates({ topology: { tls, clientTls } }: Plan, { roles }: NamedMachine): NeededFile[] {
  const isNats = roles.includes('nats') || roles.includes('nats-leaf');
  return [
    ...(tls.enabled ? [{ path: tls.ca, purpose: 'the authority of the cluster’s certificates' }] : []),
    ...(tls.enabled && isNats
      ? [
          { path: tls.cert, purpose: 'this machine’s certificate' },
          { path: tls.key, group: 'nats', purpose: 'its key' },
        ]
      : []),
    ...(clientTls.enabled && roles.includes('edge')
      ? [
          { path: clientTls.cert, purpose: 'the certificate that clients see' },
          { path: clientTls.key, group: 'weir', purpose: 'its key' },
        ]
      : []),
  ];
}

function director(plan: Plan, group: NamedGroup, machine: NamedMachine): Contribution {
  const dynamic = plan.topology.health.dynamicWeight;
  return {
    packages: ['keepalived', 'ipvsadm'],
    files: [
      keepalivedConf(plan, group, machine),
      keepalivedDropIn(machine),
      syncUnit(machine, group, interfaceOf(plan, machine)),
      ...(dynamic ? weightFiles(plan, group, machine) : []),
    ],
    units: [...(dynamic ? [WEIGHTS_UNIT] : []), SYNC_UNIT, 'keepalived.service'],
  };
}

function edge(plan: Plan, machine: NamedMachine): Contribution {
  const { ports, clientTls } = plan.topology;
  const group = groupOf(plan, machine);
  const open = {
    ports: [ports.rtmp, ports.node, ...(clientTls.enabled ? [ports.rtmps, ports.nodeTls] : [])],
    protocol: 'tcp',
    from: 'any',
    comment: 'viewers and publishers',
  } as const;
  return {
    files: [
      edgeConfig(plan, machine),
      mediaUnit(plan, machine, 'edge'),
      ...(group ? [addressUnit(machine, group)] : []),
    ],
    units: [...(group ? ['weir-address.service'] : []), 'weir-edge.service'],
    secrets: [...mediaSecrets(plan, machine, 'edge'), ...faroSecret(plan)],
    openings: [...(group ? [] : [open]), relayOpening(plan, ports.relay)],
    software: true,
  };
}

function origin(plan: Plan, machine: NamedMachine): Contribution {
  const { ports } = plan.topology;
  return {
    files: [originConfig(plan, machine), mediaUnit(plan, machine, 'origin')],
    units: ['weir-origin.service'],
    secrets: mediaSecrets(plan, machine, 'origin'),
    openings: [relayOpening(plan, ports.originRelay)],
    software: true,
  };
}

function mediaSecrets(plan: Plan, machine: NamedMachine, role: 'edge' | 'origin'): NeededSecret[] {
  return [
    ...plan.topology.relayKeys.map((name) => ({ name, purpose: 'relays between members' })),
    { name: nodeNatsSecret(plan, nodeName(machine, role), role), purpose: 'edges and origins in NATS' },
  ];
}

function ingest(plan: Plan, machine: NamedMachine): Contribution {
  const { ports, faro } = plan.topology;
  const isOpen = faro.url !== '' && faro.open;
  return {
    files: [ingestConfig(plan, machine), ingestUnit(plan, machine)],
    units: ['weir-ingest.service'],
    secrets: [
      { name: 'NATS_PASSWORD_INGEST', purpose: 'ingest in NATS' },
      { name: 'CLICKHOUSE_PASSWORD', purpose: 'the user that writes to ClickHouse' },
      { name: 'CLICKHOUSE_PASSWORD_READ', purpose: 'the user that only reads from ClickHouse' },
      ...faroSecret(plan),
    ],
    openings: [
      isOpen
        ? { ports: [ports.ingest], protocol: 'tcp', from: 'any', comment: 'telemetry and viewers’ measurements' }
        : innerOpening(plan, [ports.ingest], 'telemetry'),
    ],
    software: true,
  };
}

function faroSecret({ topology: { faro } }: Plan): NeededSecret[] {
  return faro.url === '' ? [] : [{ name: FARO_SECRET, purpose: 'measurements of the player at ingest' }];
}

function withUnit(contribution: Contribution, machine: NamedMachine): Contribution {
  return { ...contribution, files: [...(contribution.files ?? []), natsUnit(machine)] };
}

/** In order; the purpose of the first that needs it. */
function uniqueBy<K extends string, T extends Record<K, string>>(key: K, items: readonly T[]): T[] {
  const found = new Map<string, T>();
  for (const item of items) if (!found.has(item[key])) found.set(item[key], item);
  return [...found.values()].sort((a, b) => (a[key] < b[key] ? -1 : 1));
}
