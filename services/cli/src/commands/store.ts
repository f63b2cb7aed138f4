/** `weir store`: the embedded ClickHouse behind its HTTP interface, in this process. */
import type { CliCommand } from '../cli-command.ts';
import { PARTS } from '../service/parts.ts';
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
    return runService({
      part: 'store',
      logLevel: config.log.level,
      json: options.json === true,
      start: (logger) => PARTS.store(config, logger),
    });
  },
};
