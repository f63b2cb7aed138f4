/** The users of a rendered NATS server: media nodes, agents, ingest, administrators, with the rights contracts gives them. */
import { agentRights, ingestRights, nodeRights } from '@weir/contracts/nats/rights';
import type { MeasuredRole } from '@weir/contracts/resource';
import { type NamedMachine, needsAgent, nodeName, nodeNatsSecret, type Plan, withRole } from './plan.ts';

/** A NATS user: its password by the secret's name; no `publish` = everything. */
export interface NatsUser {
  name: string;
  secret: string;
  purpose: string;
  publish?: readonly string[];
  subscribe?: readonly string[];
}

/** User that a node or an agent logs in as. */
export function userOf(plan: Plan, node: string, role: MeasuredRole): string {
  if (plan.topology.nats.credentials === 'role') return role === 'agent' ? 'agent' : 'node';
  return `node-${node}`;
}

/** Users of the account that everything runs in. */
export function natsUsers(plan: Plan): NatsUser[] {
  return [
    ...nodeUsers(plan),
    { name: 'ingest', secret: 'NATS_PASSWORD_INGEST', purpose: 'ingest in NATS', ...ingestRights() },
    { name: 'admin', secret: 'NATS_PASSWORD_ADMIN', purpose: 'operators in NATS' },
  ];
}

function nodeUsers(plan: Plan): NatsUser[] {
  if (plan.topology.nats.credentials === 'role') {
    return [
      { name: 'node', secret: 'NATS_PASSWORD_NODE', purpose: 'edges and origins in NATS', ...nodeRights('*') },
      { name: 'agent', secret: 'NATS_PASSWORD_AGENT', purpose: 'agents in NATS', ...agentRights('*') },
    ];
  }
  return nodes(plan).map(({ node, role }) => ({
    name: userOf(plan, node, role),
    secret: nodeNatsSecret(plan, node, role),
    purpose: `${role === 'agent' ? 'agent' : 'node'} ${node} in NATS`,
    ...(role === 'agent' ? agentRights(node) : nodeRights(node)),
  }));
}

function nodes(plan: Plan): { node: string; role: MeasuredRole }[] {
  const of = (machines: readonly NamedMachine[], role: MeasuredRole) =>
    machines.map((machine) => ({ node: nodeName(machine, role), role }));
  return [
    ...of(withRole(plan, 'edge'), 'edge'),
    ...of(withRole(plan, 'origin'), 'origin'),
    ...of(
      plan.machines.filter((machine) => needsAgent(plan, machine)),
      'agent',
    ),
  ].sort((a, b) => (a.node < b.node ? -1 : 1));
}
