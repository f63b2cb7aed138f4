/** `weir up`: everything on this machine, supervised. Before it: flags; after it: a running system until it is stopped. */

import { ConfigError } from '@weir/contracts/errors';
import { Option } from 'commander';
import type { CliCommand, Invocation } from '../cli-command.ts';
import { DATA_DIR } from '../run-state.ts';
import type { GrafanaChoice } from '../up/grafana.ts';

export const up: CliCommand = {
  description:
    'Run the whole system on this machine: NATS, the store, migrations, ingest, origins and edges, each a process of its ' +
    'own that is started again when it dies. Stops everything on Ctrl-C. Edge N listens on RTMP 1935, relay 1936 and ' +
    'HTTP 8080, each plus 10 × (N - 1); origins 1000 above that; NATS on 4222 (health 8222), the store on 8123, ingest ' +
    'on 4318. A NATS or ClickHouse of your own is used when --nats-servers or --clickhouse-url name one.',
  sections: [
    'cluster',
    'site',
    'log',
    'machine',
    'rtmp',
    'http',
    'relay',
    'stream',
    'limits',
    'nats',
    'telemetry',
    'privacy',
    'ingest',
    'clickhouse',
    'store',
  ],
  examples: [
    ['weir up', 'one edge, with everything that measures it'],
    ['weir up --demo', 'two origins, two edges, a publisher and three viewers'],
    ['weir up --edges 3 --origins 2', 'a larger cluster'],
    [
      'weir up --demo --for 90 --json --data /tmp/weir-try --ports auto',
      'for scripts: one line of JSON, ends by itself',
    ],
  ],
  define(command) {
    command.option(
      '--demo',
      'two origins and two edges, a demo publisher on the first edge, three viewers on the last',
    );
    command.option('--edges <n>', 'edges to run (default: 1, with --demo 2)');
    command.option('--origins <n>', 'origins to run (default: 0, with --demo 2)');
    command.option('--for <seconds>', 'stop with status 0 so long after everything is ready');
    command.option('--json', 'print one line with all URLs, ports and pids when ready, and nothing else on stdout');
    command.option('--data <dir>', 'data directory', DATA_DIR);
    command.option('--fresh', 'remove the data first');
    command.addOption(
      new Option('--grafana <how>', 'auto: start the Grafana of this machine, if any, on port 3000; docker: an image')
        .choices(['auto', 'docker', 'off'])
        .default('auto'),
    );
    command.addOption(
      new Option('--ports <how>', 'auto: free ports for everything').choices(['default', 'auto']).default('default'),
    );
  },
  async run(invocation) {
    const { runUp } = await import('../up/run-up.ts');
    return runUp({
      base: invocation.config(),
      edges: count(invocation, 'edges', 1, 2),
      origins: count(invocation, 'origins', 0, 2),
      demo: invocation.options.demo === true,
      forSeconds: seconds(invocation.options.for),
      json: invocation.options.json === true,
      dataDir: String(invocation.options.data),
      fresh: invocation.options.fresh === true,
      autoPorts: invocation.options.ports === 'auto',
      grafana: invocation.options.grafana as GrafanaChoice,
    });
  },
};

const MOST_NODES = 50;

function count({ options }: Invocation, name: 'edges' | 'origins', alone: number, inDemo: number): number {
  const text = options[name];
  const value = text === undefined ? (options.demo === true ? inDemo : alone) : Number(text);
  const least = name === 'edges' ? 1 : 0;
  if (!Number.isInteger(value) || value < least || value > MOST_NODES) {
    throw new ConfigError(
      'CONFIG_INVALID',
      `--${name} must be a whole number from ${least} to ${MOST_NODES}, but is "${text}".`,
    );
  }
  return value;
}

function seconds(text: string | boolean | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!(value >= 0)) throw new ConfigError('CONFIG_INVALID', `--for must be a number of seconds, but is "${text}".`);
  return value;
}
