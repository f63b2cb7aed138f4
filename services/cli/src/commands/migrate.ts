/** `weir migrate`: brings the database to the newest version and says what it did. */
import { createLogger } from '@weir/contracts/logger';
import type { CliCommand } from '../cli-command.ts';
import { findRun } from '../run-state.ts';

export const migrateCommand: CliCommand = {
  description:
    'Create or update the database: applies the numbered migrations that were not applied yet. Running it again changes ' +
    'nothing. Without --clickhouse-url the system that runs in the data directory is meant.',
  sections: ['clickhouse'],
  examples: [
    ['weir migrate', 'the running system'],
    ['weir migrate --clickhouse-url http://ch1:8123 --clickhouse-cluster main', 'a ClickHouse cluster'],
    [
      'weir migrate --clickhouse-url http://ch1:8123 --clickhouse-cluster main --clickhouse-distributed weir_all',
      'one of several shards',
    ],
  ],
  define(command) {
    command.option('--data <dir>', 'data directory of the running system (default: .weir here or above)');
    command.option('--json', 'print the result as JSON');
  },
  async run({ config: read, options }) {
    const config = read(findRun(options.data as string | undefined)?.config);
    const { url, user, password, database, cluster, distributed } = config.clickhouse;
    const { migrate } = await import('@weir/infra/clickhouse/migrate');
    const logger = createLogger('migrate', 'warn');
    const result = await migrate({ url, user, password, database, cluster, distributed, logger });
    if (options.json === true) process.stdout.write(`${JSON.stringify(result)}\n`);
    else {
      for (const name of result.applied) process.stdout.write(`applied  ${name}\n`);
      process.stdout.write(`${result.applied.length} applied, ${result.already.length} were there already.\n`);
    }
    return 0;
  },
};
