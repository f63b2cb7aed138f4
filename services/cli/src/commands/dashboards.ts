/** `weir dashboards`: everything an existing Grafana needs, a check of every query against real data, a week to look at. */
import { resolve } from 'node:path';
import type { Config } from '@weir/contracts/config/schema';
import { ConfigError } from '@weir/contracts/errors';
import { connectAsk } from '@weir/dashboards/check/client';
import { type CheckedQuery, checkQueries } from '@weir/dashboards/check/run';
import { timeDashboards, timeTable } from '@weir/dashboards/check/timing';
import { generateFiles } from '@weir/dashboards/files';
import { writeFiles } from '@weir/dashboards/generate';
import { generateWeek } from '@weir/dashboards/week/generate';
import type { CliCommand, Invocation } from '../cli-command.ts';
import { openDatabase } from '../clickhouse.ts';
import { findRun } from '../run-state.ts';

const HOUR_MS = 3_600_000;

export const dashboards: CliCommand = {
  description:
    'Writes dashboards, data source, alert rules and routing for an existing Grafana (export), runs every query of every ' +
    'panel, variable and alert rule against the measurements the way Grafana would (check), or fills a database with a ' +
    'generated week of a 20-node cluster to look at (week). Asks the system of the data directory, or --clickhouse-url.',
  sections: ['clickhouse'],
  examples: [
    ['weir dashboards export --out /etc/grafana/weir', 'files for an existing Grafana'],
    ['weir dashboards export --threshold connections-near-limit=0.8', 'an alarm that fires earlier'],
    ['weir dashboards check --hours 24', 'run all queries over the last day'],
    ['weir dashboards check --times --hours 6', 'how long each dashboard takes to open'],
    ['weir dashboards week --clickhouse-database weir_demo', 'generate a week with incidents'],
  ],
  define(command) {
    command.argument('<action>', 'export, check or week');
    command.option('--out <dir>', 'export: folder to write to', 'grafana');
    command.option('--runbooks <url>', 'export: where the folder dashboards/runbooks can be read; alerts link there');
    command.option('--without-policy', 'export: leave the notification policy out; it replaces the one Grafana has');
    command.option(
      '--threshold <rule=number...>',
      'export: fire above another figure, in the unit of the rule (connections-near-limit=0.8); may be given again',
    );
    command.option('--hours <number>', 'check: length of the range that ends now', '1');
    command.option('--times', 'check: print how long each dashboard takes, its queries in sequence and six at once');
    command.option('--json', 'check: print JSON');
    command.option('--data <dir>', 'data directory of the running system (default: .weir here or above)');
  },
  async run(invocation) {
    const [action = ''] = invocation.args;
    const run = ACTIONS[action];
    if (!run) {
      throw new ConfigError(
        'DASHBOARDS_ACTION',
        `weir dashboards knows ${Object.keys(ACTIONS).join(', ')}, not "${action}".`,
      );
    }
    return await run(invocation);
  },
};

const ACTIONS: Record<string, (invocation: Invocation) => Promise<number>> = { export: exportFiles, check, week };

async function exportFiles({ options }: Invocation): Promise<number> {
  const folder = resolve(String(options.out));
  const files = generateFiles({
    runbookUrl: String(options.runbooks ?? ''),
    withoutPolicy: options.withoutPolicy === true,
    thresholds: thresholds((options.threshold ?? []) as string[]),
  });
  writeFiles(folder, files);
  print(
    `${files.length} files written to ${folder}: copy provisioning/ into Grafana's, set the WEIR_… variables (dashboards/README.md).`,
  );
  return 0;
}

/** `rule=number` as a record. */
function thresholds(given: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    given.map((text) => {
      const [rule = '', figure = ''] = text.split('=');
      const above = Number(figure);
      if (rule === '' || figure.trim() === '' || !Number.isFinite(above)) {
        throw new ConfigError(
          'DASHBOARDS_THRESHOLD',
          `--threshold takes a rule and a number, like connections-near-limit=0.8, not "${text}".`,
        );
      }
      return [rule, above];
    }),
  );
}

async function check(invocation: Invocation): Promise<number> {
  const hours = Number(invocation.options.hours);
  if (!(hours > 0))
    throw new ConfigError('DASHBOARDS_HOURS', `--hours must be a number above 0, not "${invocation.options.hours}".`);
  const config = clickhouse(invocation);
  await expectAnswer(config);
  const { url, database, readUser, readPassword } = config;
  const { ask, close } = connectAsk({ url, database, user: readUser, password: readPassword });
  try {
    const toMs = Date.now();
    const range = { ask, fromMs: toMs - hours * HOUR_MS, toMs, mayBeEmpty: true };
    if (invocation.options.times === true) {
      print(timeTable(await timeDashboards(range)));
      return 0;
    }
    const checked = await checkQueries(range);
    if (invocation.options.json === true) print(JSON.stringify(checked.map(summary)));
    else report(checked);
    return checked.some(({ problems }) => problems.length > 0) ? 1 : 0;
  } finally {
    await close();
  }
}

/** One sentence when ClickHouse is away or refuses, instead of one per query. */
async function expectAnswer(config: Config['clickhouse']): Promise<void> {
  const database = openDatabase(config, 'reader');
  try {
    await database.rows('SELECT 1');
  } finally {
    await database.close();
  }
}

function report(checked: readonly CheckedQuery[]): void {
  for (const query of checked) {
    for (const problem of query.problems) print(`${query.place} / ${query.name} ${query.refId} ${problem}`);
  }
  const times = checked.map(({ answer }) => answer?.elapsedMs ?? 0).toSorted((a, b) => a - b);
  const p95 = times[Math.ceil(times.length * 0.95) - 1] ?? 0;
  const wrong = checked.filter(({ problems }) => problems.length > 0).length;
  print(`${checked.length} queries, ${wrong} with problems, 95 % answered within ${p95.toFixed(0)} ms.`);
}

function summary({ place, name, refId, answer, problems }: CheckedQuery): unknown {
  return {
    place,
    name,
    refId,
    rows: answer?.rows.length ?? 0,
    rowsRead: answer?.rowsRead ?? 0,
    elapsedMs: Math.round(answer?.elapsedMs ?? 0),
    problems,
  };
}

async function week(invocation: Invocation): Promise<number> {
  const config = clickhouse(invocation);
  const database = openDatabase({ ...config, requestTimeoutMs: 300_000 }, 'writer');
  const quoted = `\`${config.database.replaceAll('`', '')}\``;
  try {
    const [held] = await database.rows<{ samples: number }>(`SELECT count() AS samples FROM ${quoted}.metric_1m`);
    if (Number(held?.samples ?? 0) > 0) {
      throw new ConfigError(
        'DASHBOARDS_NOT_EMPTY',
        `The database ${config.database} at ${config.url} already holds measurements: name another with --clickhouse-database (weir migrate makes it), the week would be mixed into them.`,
      );
    }
    const startedAt = performance.now();
    const execute = async (sql: string): Promise<void> => {
      // Read to its end: only then is the statement done.
      for await (const _ of await database.stream(sql, 'Null'));
    };
    const made = await generateWeek({ execute, database: quoted, endMs: Date.now() });
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0);
    print(
      `A week up to ${new Date(made.endMs).toISOString()} with ${made.incidents.size} incidents, made in ${seconds} s:`,
    );
    for (const { name, subject, startMs } of made.incidents.values()) {
      print(`  ${new Date(startMs).toISOString()}  ${name}${subject === '' ? '' : ` (${subject})`}`);
    }
    return 0;
  } finally {
    await database.close();
  }
}

function clickhouse({ config, options }: Invocation): Config['clickhouse'] {
  return config(findRun(options.data as string | undefined)?.config).clickhouse;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
