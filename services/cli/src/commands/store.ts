/** `weir store`: the embedded ClickHouse behind its HTTP interface, in this process. */
import { ConfigError } from '@weir/contracts/errors';
import type { CliCommand } from '../cli-command.ts';
import { runService } from '../service/run-service.ts';

export const store: CliCommand = {
  description:
    'Run the embedded ClickHouse in the foreground, behind the ClickHouse HTTP interface. It has two users: one that ' +
    'writes and one that only reads. Their passwords come from the section clickhouse.',
  sections: ['log', 'store', 'clickhouse'],
  examples: [
    [
      'weir store --clickhouse-password w --clickhouse-read-password r',
      'on http://127.0.0.1:8123, data in .weir/store',
    ],
    ["curl -u weir_read:r 'http://127.0.0.1:8123/?query=SELECT+1'", 'ask it'],
  ],
  define(command) {
    command.option('--json', 'print one JSON line on stdout when ready');
  },
  async run({ config: read, options }) {
    const config = read();
    const { user, password, readUser, readPassword } = config.clickhouse;
    if (password === '' || readPassword === '') {
      const missing = password === '' ? 'password' : 'readPassword';
      throw new ConfigError(
        'STORE_NO_PASSWORD',
        `The store needs clickhouse.${missing}: set it in the file, in the environment or as a flag.`,
      );
    }
    const { startStore } = await import('@weir/store/main');
    return runService({
      part: 'store',
      logLevel: config.log.level,
      json: options.json === true,
      start: async (logger) => {
        const running = await startStore({
          config: config.store,
          users: { writer: { name: user, password }, reader: { name: readUser, password: readPassword } },
          logger,
        });
        return { urls: { ClickHouse: running.url }, close: () => running.close() };
      },
    });
  },
};
