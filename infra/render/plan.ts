/** Questions the renderers ask a topology: who belongs to whom, who may talk to whom, under which names. */
import type { MeasuredRole } from '@weir/contracts/resource';
import { compareAddresses } from '@weir/contracts/topology/network';
import type { Group, Machine, MachineRole, Topology } from '@weir/contracts/topology/schema';

/** A machine with its name. */
export interface NamedMachine extends Machine {
  name: string;
}

/** A group with its name. */
export interface NamedGroup extends Group {
  name: string;
}

/** A topology that answers questions. Every list is in a stable order, so that rendering twice gives the same bytes. */
export interface Plan {
  readonly topology: Topology;
  /** By name. */
  readonly machines: readonly NamedMachine[];
  /** By name. */
  readonly groups: readonly NamedGroup[];
}

export function makePlan(topology: Topology): Plan {
  const sorted = <T>(record: Record<string, T>) =>
    Object.entries(record)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => ({ ...value, name }));
  return { topology, machines: sorted(topology.machines), groups: sorted(topology.groups) };
}

/** Machines with this role, by name. */
export function withRole(plan: Plan, role: MachineRole): NamedMachine[] {
  return plan.machines.filter((machine) => machine.roles.includes(role));
}

/** The group that a machine directs. */
export function directedGroup(plan: Plan, machine: string): NamedGroup | undefined {
  return plan.groups.find((group) => group.directors.includes(machine));
}

/** Directors of a group, the preferred first. */
export function directorsOf(plan: Plan, group: NamedGroup): NamedMachine[] {
  return group.directors.map((name) => machineNamed(plan, name));
}

/** Edges of a group by address. */
export function edgesOf(plan: Plan, group: NamedGroup): NamedMachine[] {
  return withRole(plan, 'edge')
    .filter((machine) => machine.group === group.name)
    .sort((a, b) => compareAddresses(a.address, b.address));
}

/** The group that sends viewers to this edge. */
export function groupOf(plan: Plan, machine: Machine): NamedGroup | undefined {
  return plan.groups.find((group) => group.name === machine.group);
}

/** Card of a machine on its site's link. */
export function interfaceOf(plan: Plan, machine: Machine): string {
  return machine.interface ?? plan.topology.sites[machine.site]?.interface ?? 'eth0';
}

/** Addresses of all members that pull from each other: edges, origins, and edges to come. */
export function memberAddresses(plan: Plan): string[] {
  const media = plan.machines.filter((machine) => machine.roles.includes('edge') || machine.roles.includes('origin'));
  const reserved = plan.groups.flatMap((group) => group.reserved);
  return [...new Set([...media.map((machine) => machine.address), ...reserved])].sort(compareAddresses);
}

/** Networks that services for the cluster itself are open to: the sites and the admins'. */
export function innerNetworks(plan: Plan): string[] {
  return [...siteNetworks(plan), ...plan.topology.admin.networks];
}

/** Networks of all sites. */
export function siteNetworks(plan: Plan): string[] {
  return [...new Set(Object.values(plan.topology.sites).map((site) => site.network))].sort();
}

/** Networks that may log in. */
export function adminNetworks(plan: Plan): string[] {
  return plan.topology.admin.networks.length > 0 ? plan.topology.admin.networks : siteNetworks(plan);
}

/** Name of the node of this role on the machine: the machine's own for the first of edge, origin, agent. */
export function nodeName(machine: NamedMachine, role: MeasuredRole): string {
  const first = (['edge', 'origin'] as const).find((media) => machine.roles.includes(media)) ?? 'agent';
  return role === first ? machine.name : `${machine.name}-${role}`;
}

/** Edges and origins measure their machines themselves; directors and name servers have more to tell. */
export function needsAgent(plan: Plan, machine: NamedMachine): boolean {
  const hasMedia = machine.roles.includes('edge') || machine.roles.includes('origin');
  return !hasMedia || directedGroup(plan, machine.name) !== undefined || machine.roles.includes('dns');
}

/** NATS addresses for a client on this machine: leaf servers of its site, else the cluster, its own site first. */
export function natsServersFor(plan: Plan, machine: Machine): string[] {
  const leafs = withRole(plan, 'nats-leaf').filter((leaf) => leaf.site === machine.site);
  const members = withRole(plan, 'nats').sort(
    (a, b) => Number(b.site === machine.site) - Number(a.site === machine.site),
  );
  const scheme = plan.topology.tls.enabled ? 'tls' : 'nats';
  return [...leafs, ...members].map((server) => `${scheme}://${server.address}:${plan.topology.ports.nats}`);
}

/** Where clients on this machine reach ClickHouse; undefined = there is none. */
export function clickhouseFor(plan: Plan, machine: Machine): string | undefined {
  const stores = withRole(plan, 'clickhouse');
  if (stores.length > 0 && plan.topology.clickhouse.host !== '') return plan.topology.clickhouse.host;
  return (stores.find((store) => store.site === machine.site) ?? stores[0])?.address;
}

/** Name of the secret with the NATS password of a node. */
export function nodeNatsSecret(plan: Plan, node: string, role: MeasuredRole): string {
  if (plan.topology.nats.credentials === 'role') return role === 'agent' ? 'NATS_PASSWORD_AGENT' : 'NATS_PASSWORD_NODE';
  return `NATS_PASSWORD_NODE_${node.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`;
}

export function machineNamed(plan: Plan, name: string): NamedMachine {
  const machine = plan.machines.find((candidate) => candidate.name === name);
  if (!machine) throw new Error(`the checked topology has no machine ${name}`);
  return machine;
}

/** An edge as a director sees it. */
export interface RealServer {
  address: string;
  weight: number;
  comment: string;
}

/** By address, the same before and after an edge took its reserved one: adding it leaves directors alone. */
export function realServers(plan: Plan, group: NamedGroup): RealServer[] {
  const edges = edgesOf(plan, group);
  const weights = new Map(edges.map((edge) => [edge.address, edge.weight ?? 1]));
  const names = new Map(edges.map((edge) => [edge.address, edge.name]));
  return [...new Set([...weights.keys(), ...group.reserved])].sort(compareAddresses).map((address) => ({
    address,
    weight: weights.get(address) ?? 1,
    comment: group.reserved.includes(address) ? 'reserved' : (names.get(address) ?? ''),
  }));
}
