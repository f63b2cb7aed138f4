/** `weir sql`: one query as an argument or from stdin, or a prompt; reads only, unless `--write`. */

import { ConfigError } from '@weir/contracts/errors';
import { Option } from 'commander';
import type { CliCommand } from '../cli-command.ts';
import { openDatabase } from '../clickhouse.ts';
import { findRun } from '../run-state.ts';

/** Aligned, with numbers right; streams of blocks become one table. */
const PEOPLE = 'PrettyCompactMonoBlock';

export const sql: CliCommand = {
  description:
    'Ask the measurements in SQL (ClickHouse’s). Without a query it reads stdin, or prompts on a terminal. Asks the system ' +
    'that runs in the data directory unless --clickhouse-url names another. Reads only, as a user that cannot write.',
  sections: ['clickhouse'],
  examples: [
    ['weir sql "SELECT node, viewers FROM node_load ORDER BY time DESC LIMIT 4"', 'a table for people'],
    ['weir sql --format CSVWithNames "SELECT * FROM nodes"', 'for scripts; any ClickHouse format'],
    ['echo "SHOW TABLES" | weir sql', 'from stdin'],
    ['weir sql --param node=edge-1 "SELECT count() FROM connections WHERE node = {node:String}"', 'with a parameter'],
    ['weir sql', 'a prompt with history'],
  ],
  define(command) {
    command.argument('[query]', 'the query; - or nothing reads it from stdin');
    command.option('--format <name>', 'ClickHouse output format, e.g. JSONEachRow, TSV, CSVWithNames, Vertical');
    command.option('--json', 'the same as --format JSONEachRow');
    command.addOption(
      new Option('--param <name=value>', 'value of {name:Type} in the query; may be given again').argParser(
        (given: string, before: readonly string[] = []) => [...before, given],
      ),
    );
    command.option('--write', 'ask as the user that may write');
    command.option('--data <dir>', 'data directory of the running system (default: .weir here or above)');
  },
  async run({ args, config: read, options }) {
    const state = findRun(options.data as string | undefined);
    const database = openDatabase(read(state?.config).clickhouse, options.write === true ? 'writer' : 'reader');
    const format = String(options.format ?? (options.json === true ? 'JSONEachRow' : PEOPLE));
    const ask = { database, format, parameters: parametersOf(options.param) };
    try {
      const [query] = args;
      if ((query === undefined || query === '-') && process.stdin.isTTY && query !== '-') {
        const { prompt } = await import('../sql/prompt.ts');
        await prompt({ ...ask, historyPath: state && `${state.dataDir}/sql-history` });
        return 0;
      }
      const { print } = await import('../sql/print.ts');
      await print(ask, query === undefined || query === '-' ? await readAll(process.stdin) : query);
      return 0;
    } finally {
      await database.close();
    }
  },
};

/** @throws ConfigError `SQL_PARAM` */
function parametersOf(given: unknown): Record<string, string> {
  const pairs = ((given ?? []) as readonly string[]).map((text) => {
    const [, name, value] = /^(\w+)=(.*)$/s.exec(text) ?? [];
    if (name === undefined || value === undefined)
      throw new ConfigError('SQL_PARAM', `--param takes a name and a value, like node=edge-1, not "${text}".`);
    return [name, value];
  });
  return Object.fromEntries(pairs);
}

async function readAll(input: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of input) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
