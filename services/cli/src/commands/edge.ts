/** `weir edge`: one node, edge or origin, in this process (and its workers). */
import { Option } from 'commander';
import type { CliCommand } from '../cli-command.ts';
import { PARTS } from '../service/parts.ts';
import { runService } from '../service/run-service.ts';

export const edge: CliCommand = {
  description:
    'Run one node in the foreground. An edge takes publishers and viewers; an origin relays streams between edges. ' +
    'Streams flow without NATS; the cluster and the measuring need it.',
  sections: [
    'cluster',
    'site',
    'log',
    'machine',
    'node',
    'rtmp',
    'http',
    'tls',
    'access',
    'callbacks',
    'admin',
    'relay',
    'stream',
    'hls',
    'limits',
    'nats',
    'telemetry',
    'privacy',
    'player',
  ],
  examples: [
    ['weir edge --node-name edge-1 --relay-keys secret', 'an edge on RTMP port 1935'],
    ['weir edge --role origin --node-name origin-1 --rtmp-port 0 --relay-keys secret', 'an origin on a free RTMP port'],
    ['weir edge --node-name edge-1 --relay-keys secret --workers 1', 'the same in one process, not one per core'],
    ['weir edge --config edge-1.yaml', 'everything from a file'],
  ],
  define(command) {
    command.addOption(
      new Option('--role <role>', 'edge or origin; the same as --node-role').choices(['edge', 'origin']),
    );
    command.option(
      '--workers <n>',
      'processes that serve clients; default: one per core for an edge, 1 for an origin; the same as --node-workers',
    );
    command.option('--json', 'print one JSON line on stdout when ready');
  },
  async run({ config: read, options }) {
    const aliases = { 'node-role': options.role, 'node-workers': options.workers };
    const given = Object.entries(aliases).filter((alias): alias is [string, string] => typeof alias[1] === 'string');
    const readConfig = () => read({}, Object.fromEntries(given));
    const config = readConfig();
    return runService({
      part: config.node.name || config.node.role,
      logLevel: config.log.level,
      json: options.json === true,
      start: (logger) => PARTS.edge(config, logger, readConfig),
    });
  },
};
