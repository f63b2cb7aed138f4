/**
 * Writes the convention's tables in README.md from the catalogue, so that the document cannot say anything else.
 * Before it: metrics.ts, events.ts, resource.ts; after it: README.md, compared by convention-docs.test.ts.
 */
import {
  CLOSE_REASONS,
  CLUSTER_ATTRIBUTE,
  CONNECTION_ATTRIBUTE,
  EVENT,
  FAILOVER_ATTRIBUTE,
  STREAM_CHANGE_ATTRIBUTE,
} from './events.ts';
import { METRICS, type MetricDefinition } from './metrics.ts';
import { RESOURCE } from './resource.ts';
import { SITE_METRICS } from './site-metrics.ts';

/** Closed events carry these besides all of the opened one. */
const CLOSED_ONLY: readonly string[] = [
  CONNECTION_ATTRIBUTE.reason,
  CONNECTION_ATTRIBUTE.bytesIn,
  CONNECTION_ATTRIBUTE.bytesQueued,
  CONNECTION_ATTRIBUTE.bytesDelivered,
  CONNECTION_ATTRIBUTE.framesDropped,
];

/** Markdown of each generated part by the name of its markers, `<!-- NAME -->` … `<!-- /NAME -->`. */
export function conventionParts(): Record<string, string> {
  const all = Object.values<MetricDefinition>(METRICS);
  const of = (...prefixes: string[]) => all.filter(({ name }) => prefixes.some((prefix) => name.startsWith(prefix)));
  return {
    'live metrics': metricTable(of('live.')),
    'host metrics': metricTable(of('system.')),
    'process metrics': metricTable(of('process.', 'nodejs.', 'weir.').filter(({ name }) => !(name in SITE_METRICS))),
    'site metrics': metricTable(all.filter(({ name }) => name in SITE_METRICS)),
    events: eventTable(),
    reasons: CLOSE_REASONS.map(code).join(', '),
    resource: Object.values(RESOURCE).map(code).join(', '),
  };
}

/**
 * `readme` with every generated part brought up to date.
 * @throws Error when the markers of a part are missing.
 */
export function withConvention(readme: string): string {
  return Object.entries(conventionParts()).reduce((text, [name, content]) => {
    const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
    const [from, to] = [text.indexOf(open), text.indexOf(close)];
    if (from < 0 || to < from) throw new Error(`README.md has no part between ${open} and ${close}`);
    return `${text.slice(0, from + open.length)}\n${content}\n${text.slice(to)}`;
  }, readme);
}

function metricTable(metrics: readonly MetricDefinition[]): string {
  const rows = metrics.map(
    ({ name, kind, unit, attributes, description }) =>
      `| ${code(name)} | ${kind} | ${code(unit)} | ${attributes.map(code).join(', ')} | ${description} |`,
  );
  return ['| metric | instrument | unit | attributes | what |', '|---|---|---|---|---|', ...rows].join('\n');
}

function eventTable(): string {
  const opened = Object.values<string>(CONNECTION_ATTRIBUTE).filter((name) => !CLOSED_ONLY.includes(name));
  const rows: [string, string, readonly string[]][] = [
    [EVENT.connectionOpened, 'the connection got its role', opened],
    [EVENT.connectionClosed, 'it ended; all of the above and', CLOSED_ONLY],
    [EVENT.failover, 'the loss of the upstream was noticed', Object.values(FAILOVER_ATTRIBUTE)],
    [EVENT.cluster, 'a node saw the change', Object.values(CLUSTER_ATTRIBUTE)],
    [EVENT.streamChange, 'the node did it', Object.values(STREAM_CHANGE_ATTRIBUTE)],
  ];
  const lines = rows.map(
    ([name, time, attributes]) => `| ${code(name)} | ${time} | ${attributes.map(code).join(', ')} |`,
  );
  return ['| event | its time is when | attributes |', '|---|---|---|', ...lines].join('\n');
}

function code(text: string): string {
  return `\`${text}\``;
}
