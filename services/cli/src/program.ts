/**
 * The grammar of `weir`: finds the command, reads its flags, prints errors the one way. Only the chosen command's file
 * is loaded, so that `weir --help` and small commands start fast.
 */
import { readFileSync } from 'node:fs';
import { errorMessage, WeirError } from '@weir/contracts/errors';
import { Command, CommanderError } from 'commander';
import type { CliCommand } from './cli-command.ts';
import { addConfigOptions, configReader, splitOptions } from './config/options.ts';

interface Entry {
  name: string;
  summary: string;
  load(): Promise<CliCommand>;
}

const COMMANDS: readonly Entry[] = [
  {
    name: 'up',
    summary: 'run the whole system on this machine',
    load: async () => (await import('./commands/up.ts')).up,
  },
  {
    name: 'edge',
    summary: 'run one node: an edge or an origin',
    load: async () => (await import('./commands/edge.ts')).edge,
  },
  {
    name: 'agent',
    summary: 'measure a machine that runs no node: director, name server, NATS …',
    load: async () => (await import('./commands/agent.ts')).agent,
  },
  {
    name: 'ingest',
    summary: 'run a copy of the ingest service',
    load: async () => (await import('./commands/ingest.ts')).ingest,
  },
  {
    name: 'store',
    summary: 'run the embedded ClickHouse',
    load: async () => (await import('./commands/store.ts')).store,
  },
  {
    name: 'migrate',
    summary: 'bring the database to the newest version',
    load: async () => (await import('./commands/migrate.ts')).migrateCommand,
  },
  {
    name: 'dead-letters',
    summary: 'telemetry that could not be used: list, show, replay, drop',
    load: async () => (await import('./commands/dead-letters.ts')).deadLetters,
  },
  { name: 'sql', summary: 'ask the measurements in SQL', load: async () => (await import('./commands/sql.ts')).sql },
  {
    name: 'status',
    summary: 'how the cluster and its measuring are',
    load: async () => (await import('./commands/status.ts')).status,
  },
  {
    name: 'nodes',
    summary: 'the nodes of the cluster with their load',
    load: async () => (await import('./commands/nodes.ts')).nodes,
  },
  {
    name: 'node',
    summary: 'credentials of nodes: add, rotate, remove',
    load: async () => (await import('./commands/node.ts')).node,
  },
  {
    name: 'streams',
    summary: 'which way each stream goes, and who watches',
    load: async () => (await import('./commands/streams.ts')).streams,
  },
  {
    name: 'drain',
    summary: 'take a node out without cutting anybody off',
    load: async () => (await import('./commands/drain.ts')).drain,
  },
  {
    name: 'load',
    summary: 'put viewers on a stream and check what they get',
    load: async () => (await import('./commands/load.ts')).load,
  },
  {
    name: 'sign',
    summary: 'sign a stream name, so that its holder may publish or play',
    load: async () => (await import('./commands/sign.ts')).sign,
  },
  {
    name: 'infra',
    summary: 'from one topology file to everything each machine needs',
    load: async () => (await import('./commands/infra.ts')).infra,
  },
  {
    name: 'dashboards',
    summary: 'dashboards and alert rules for Grafana',
    load: async () => (await import('./commands/dashboards.ts')).dashboards,
  },
];

const USAGE_STATUS = 2;

/**
 * Runs one command line (without node and script) and resolves with its exit status: 0, 1 for an error, 2 for a command
 * line that cannot be understood. Errors go to stderr as `weir: <sentence> [CODE]`.
 */
export async function run(argv: readonly string[]): Promise<number> {
  let status = 0;
  const program = new Command('weir')
    .description('A highly available RTMP live-streaming cluster that measures itself.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help of a command')
    .addHelpText(
      'after',
      '\nThe whole system with a demo stream:  weir up --demo\nHelp of one command:                  weir <command> --help',
    );
  prepare(program);
  const named = argv[0] === 'help' ? argv[1] : argv[0];
  try {
    for (const entry of COMMANDS) {
      const command = program.command(entry.name).summary(entry.summary);
      prepare(command);
      if (entry.name !== named) continue;
      const cli = await entry.load();
      define(command, cli, (result) => {
        status = result;
      });
    }
    await program.parseAsync(argv.length === 0 ? ['--help'] : argv, { from: 'user' });
    return status;
  } catch (error) {
    return report(error);
  }
}

function prepare(command: Command): void {
  command.exitOverride();
  command.showSuggestionAfterError(true);
  command.configureOutput({ outputError: () => undefined });
  command.configureHelp({ showGlobalOptions: false, helpWidth: Math.min(process.stdout.columns ?? 100, 120) });
}

function define(command: Command, cli: CliCommand, done: (status: number) => void): void {
  command.description(cli.description).helpOption('-h, --help', 'print help');
  cli.define?.(command);
  addConfigOptions(command, cli.sections);
  const width = Math.max(...cli.examples.map(([line]) => line.length));
  const examples = cli.examples.map(([line, what]) => `  ${line.padEnd(width)}  ${what}`);
  command.addHelpText('after', `\nExamples:\n${examples.join('\n')}`);
  command.action(async () => {
    const { own, flags } = splitOptions(command);
    const file = typeof own.config === 'string' ? own.config : process.env.WEIR_CONFIG;
    done(await cli.run({ args: command.args, options: own, config: configReader(file, flags), configFile: file }));
  });
}

/** Prints `error` and says which exit status it makes. */
export function report(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    const sentence = error.message
      .replace(/^error: /, '')
      .replace(/\s*\n\(?/g, ' (')
      .replace(/\.+$/, '');
    process.stderr.write(`weir: ${sentence}. See weir --help. [USAGE]\n`);
    return USAGE_STATUS;
  }
  if (error instanceof WeirError) {
    process.stderr.write(`weir: ${error.message} [${error.code}]\n`);
    return 1;
  }
  // Not foreseen, so the place matters to whoever mends it.
  process.stderr.write(
    `weir: ${error instanceof Error ? (error.stack ?? error.message) : errorMessage(error)} [BUG]\n`,
  );
  return 1;
}

function version(): string {
  const file = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(file) as { version: string }).version;
}
