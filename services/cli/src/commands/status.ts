/** `weir status`: one look at the cluster and at what measures it; what is away is said. */
import type { CliCommand } from '../cli-command.ts';
import { type DatabaseView, type NatsView, viewDatabase, viewNats } from '../cluster-view.ts';
import { bytes, duration } from '../print/units.ts';
import { findRun, type RunState } from '../run-state.ts';
import { pathLine, type StreamPath } from '../stream-paths.ts';

/** Samples come every 5 s and are written within one: older than three of them is late. */
const LATE_SECONDS = 20;
/** Streams shown; the rest is counted. */
const MAX_STREAMS = 8;

type External = Extract<NatsView, { reachable: true }>['externals'][number];

export const status: CliCommand = {
  description:
    'Show how the cluster and its measuring are: NATS and the telemetry waiting there, ClickHouse and the age of its newest ' +
    'sample, nodes, viewers, the way of the streams with the most viewers (weir streams has all), streams from and to ' +
    'servers that are no members. NATS or ClickHouse away is part of the answer; the exit status is 0 only when all is well.',
  sections: ['nats', 'clickhouse'],
  examples: [
    ['weir status', 'the system that runs in .weir'],
    ['weir status --json', 'for scripts'],
    ['weir status --nats-servers nats://n1:4222 --clickhouse-url http://ch1:8123', 'a cluster elsewhere'],
  ],
  define(command) {
    command.option('--json', 'print everything as JSON');
    command.option('--data <dir>', 'data directory of the running system (default: .weir here or above)');
  },
  async run({ config: read, options }) {
    const state = findRun(options.data as string | undefined);
    const config = read(state?.config);
    const [nats, clickhouse] = await Promise.all([viewNats(config.nats), viewDatabase(config.clickhouse)]);
    const problems = findProblems(nats, clickhouse);
    if (options.json === true) {
      process.stdout.write(
        `${JSON.stringify({ ok: problems.length === 0, problems, supervisor: state?.pid, nats, clickhouse })}\n`,
      );
    } else process.stdout.write(`${describe(state, nats, clickhouse, problems).join('\n')}\n`);
    return problems.length === 0 ? 0 : 1;
  },
};

function findProblems(nats: NatsView, clickhouse: DatabaseView): string[] {
  const problems: string[] = [];
  if (!nats.reachable) problems.push(nats.reason);
  else if (nats.nodes.length === 0) problems.push('No node is alive.');
  if (!clickhouse.reachable) problems.push(clickhouse.reason);
  else if (clickhouse.newestSampleSecondsAgo === undefined) problems.push('ClickHouse has no sample yet.');
  else if (clickhouse.newestSampleSecondsAgo > LATE_SECONDS) {
    problems.push(`The newest sample in ClickHouse is ${duration(clickhouse.newestSampleSecondsAgo)} old.`);
  }
  if (nats.reachable && nats.deadLetters > 0)
    problems.push(`${nats.deadLetters} dead letters: telemetry that ingest could not use.`);
  return problems;
}

/** The way of each, those with the most viewers first. */
function describeStreams(streams: readonly StreamPath[]): string[] {
  const byViewers = streams.toSorted((a, b) => b.viewers - a.viewers);
  const lines = byViewers.slice(0, MAX_STREAMS).map((path) => {
    const viewers = path.viewers === 1 ? '1 viewer' : `${path.viewers} viewers`;
    return `stream      ${path.stream}, ${viewers}: ${pathLine(path)}`;
  });
  const left = streams.length - lines.length;
  return left === 0 ? lines : [...lines, `            and ${left} more: weir streams`];
}

function describeExternal({ stream, direction, url, node, state, sinceMs, reason }: External): string {
  const way = direction === 'pull' ? 'pulled from' : 'pushed to';
  const since = duration((Date.now() - sinceMs) / 1_000);
  return `${stream} ${way} ${url} by ${node}: ${state} for ${since}${state === 'live' || reason === '' ? '' : `: ${reason}`}`;
}

function describe(state: RunState | undefined, nats: NatsView, clickhouse: DatabaseView, problems: string[]): string[] {
  const lines = [
    state
      ? `system      runs in ${state.dataDir}, supervisor ${state.pid}`
      : 'system      none started by weir up is known here',
    `NATS        ${nats.reachable ? `${nats.version} at ${nats.server}` : 'away'}`,
  ];
  if (nats.reachable) {
    const { telemetry, nodes } = nats;
    if (telemetry) {
      lines.push(
        `telemetry   ${telemetry.unread} messages waiting for ingest, ${telemetry.messages} kept (${bytes(telemetry.sizeBytes)})`,
      );
    }
    const count = (role: string) => nodes.filter((node) => node.role === role).length;
    const sum = (what: 'publishers' | 'viewers' | 'streams') =>
      nodes.reduce((total, { load }) => total + load[what], 0);
    const elected = nodes.filter((node) => node.elected).map(({ node }) => node);
    const draining = nodes.filter((node) => node.draining).map(({ node }) => node);
    lines.push(`nodes       ${count('edge')} edges, ${count('origin')} origins alive`);
    if (elected.length > 0) lines.push(`elected     ${elected.join(', ')}: too few origins live`);
    if (draining.length > 0) lines.push(`draining    ${draining.join(', ')}`);
    lines.push(`load        ${sum('publishers')} publishers, ${sum('viewers')} viewers`);
    lines.push(...describeStreams(nats.streams));
    lines.push(...nats.externals.map((link) => `external    ${describeExternal(link)}`));
  }
  if (clickhouse.reachable) {
    const age = clickhouse.newestSampleSecondsAgo;
    lines.push(
      `ClickHouse  ${clickhouse.version} at ${clickhouse.url}, newest sample ${age === undefined ? 'none' : `${duration(age)} ago`}`,
    );
  } else lines.push('ClickHouse  away');
  return [...lines, ...(problems.length === 0 ? ['', 'All is well.'] : ['', ...problems])];
}
