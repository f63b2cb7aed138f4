/** `weir ingest`: one copy of the ingest service in this process. */
import { Option } from 'commander';
import type { CliCommand } from '../cli-command.ts';
import { PARTS } from '../service/parts.ts';
import { runService } from '../service/run-service.ts';

export const ingest: CliCommand = {
  description:
    'Run one copy of the ingest service in the foreground: it takes telemetry out of JetStream (and by OTLP over HTTP) ' +
    'and writes it to ClickHouse. Any number of copies may run; none keeps state.',
  sections: [
    'cluster',
    'site',
    'log',
    'nats',
    'telemetry',
    'ingest',
    'deadman',
    'otlp',
    'faro',
    'privacy',
    'clickhouse',
  ],
  examples: [
    ['weir ingest --clickhouse-url http://127.0.0.1:8123', 'receive and write, HTTP on port 4318'],
    ['weir ingest --role write --ingest-port 0', 'only JetStream to ClickHouse'],
  ],
  define(command) {
    command.addOption(
      new Option('--role <role>', 'receive, write or all; the same as --ingest-role').choices([
        'receive',
        'write',
        'all',
      ]),
    );
    command.option('--json', 'print one JSON line on stdout when ready');
  },
  async run({ config: read, options }) {
    const config = read({}, typeof options.role === 'string' ? { 'ingest-role': options.role } : {});
    return runService({
      part: config.ingest.name || 'ingest',
      logLevel: config.log.level,
      json: options.json === true,
      start: (logger) => PARTS.ingest(config, logger),
    });
  },
};
