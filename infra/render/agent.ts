/**
 * `weir agent` on every machine without a media node, and on directors and name servers whatever else they do: inventory
 * and host figures, VRRP and IPVS of a director, answers and health checks of a name server (issue 8, item 3).
 */
import { agentConfig } from './node-config.ts';
import { directedGroup, type NamedMachine, nodeName, nodeNatsSecret, type Plan } from './plan.ts';
import type { Contribution } from './rendered.ts';
import { agentUnit } from './systemd.ts';

export function agent(plan: Plan, machine: NamedMachine): Contribution {
  const isDirector = directedGroup(plan, machine.name) !== undefined;
  return {
    files: [agentConfig(plan, machine), agentUnit(plan, machine, isDirector)],
    units: ['weir-agent.service'],
    secrets: [{ name: nodeNatsSecret(plan, nodeName(machine, 'agent'), 'agent'), purpose: 'agents in NATS' }],
    software: true,
  };
}
