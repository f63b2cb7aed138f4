/** `weir agent`: measures a machine that runs no edge or origin, in this process. */
import type { CliCommand } from '../cli-command.ts';
import { PARTS } from '../service/parts.ts';
import { runService } from '../service/run-service.ts';

export const agent: CliCommand = {
  description:
    'Measure this machine in the foreground: inventory, CPU, memory, cards and disks, on a director also who holds the ' +
    'virtual address and what the kernel balances, on a name server its answers and health checks. Edges and origins ' +
    'measure their machines themselves.',
  sections: ['cluster', 'site', 'log', 'machine', 'node', 'agent', 'nats', 'telemetry'],
  examples: [
    ['weir agent --node-name nats-1', 'inventory and host metrics'],
    [
      'weir agent --node-name d1 --agent-ipvs true --agent-groups "g1 address=10.0.0.100 card=eth0 directors=2"',
      'a director',
    ],
    ['weir agent --config /etc/weir/agent.yaml', 'everything from a file'],
  ],
  define(command) {
    command.option('--json', 'print one JSON line on stdout when ready');
  },
  async run({ config: read, options }) {
    const config = read();
    return runService({
      part: config.node.name || 'agent',
      logLevel: config.log.level,
      json: options.json === true,
      start: (logger) => PARTS.agent(config, logger),
    });
  },
};
