/** `weir streams`: which way each stream goes through the cluster and who watches where, as the nodes say at this moment. */
import type { CliCommand } from '../cli-command.ts';
import { liveNodes } from '../cluster-view.ts';
import { askAll, withNats } from '../node-control.ts';
import { duration } from '../print/units.ts';
import { findRun } from '../run-state.ts';
import { type Hop, type StreamPath, streamPaths } from '../stream-paths.ts';

export const streams: CliCommand = {
  description:
    'Show each stream with its way through the cluster, from the edge it is published on over the origins to the edges ' +
    'with viewers, and the number of viewers on each. Relays between nodes are no viewers. Every node is asked; one that ' +
    'does not answer is named, and the exit status is then 1.',
  sections: ['nats'],
  examples: [
    ['weir streams', 'every stream as a tree'],
    ['weir streams --json', 'for scripts: one object'],
  ],
  define(command) {
    command.option('--json', 'print everything as JSON');
    command.option('--data <dir>', 'data directory of the running system (default: .weir here or above)');
  },
  async run({ config: read, options }) {
    const config = read(findRun(options.data as string | undefined)?.config);
    const { known, answers } = await withNats(config.nats, async (connection) => {
      const nodes = await liveNodes(connection);
      return { known: nodes, answers: await askAll(connection, { command: 'streams' }, nodes.length) };
    });
    const answered = new Set(answers.map(({ node }) => node));
    const silent = known.map(({ node }) => node).filter((node) => !answered.has(node));
    const paths = streamPaths(answers);
    if (options.json === true) process.stdout.write(`${JSON.stringify({ streams: paths, silent })}\n`);
    else {
      const lines = paths.length === 0 ? ['No stream is published or asked for.'] : paths.flatMap(describe);
      process.stdout.write(`${lines.join('\n')}\n`);
    }
    if (silent.length > 0) process.stderr.write(`weir: ${silent.join(', ')} did not answer.\n`);
    return silent.length === 0 ? 0 : 1;
  },
};

function describe({ stream, viewers, publisher, publishedAtMs, roots }: StreamPath): string[] {
  const since = publishedAtMs > 0 ? ` for ${duration((Date.now() - publishedAtMs) / 1_000)}` : '';
  const source = publisher === '' ? 'not published' : `published on ${publisher}${since}`;
  return [`${stream}  ${count(viewers)}, ${source}`, ...roots.flatMap((root) => tree(root, '  ', '  '))];
}

function tree({ node, viewers, standbys, state, next }: Hop, first: string, rest: string): string[] {
  const notes = [
    viewers > 0 ? count(viewers) : '',
    standbys > 0 ? `${standbys} publisher${standbys === 1 ? '' : 's'} standing by` : '',
    state === 'idle' || state === 'live' ? '' : state === 'filler' ? 'shows a clip meanwhile' : state,
  ];
  const shown = notes.filter((note) => note !== '').join(', ');
  return [
    `${first}${node}${shown === '' ? '' : `  ${shown}`}`,
    ...next.flatMap((hop, index) => {
      const isLast = index === next.length - 1;
      return tree(hop, `${rest}${isLast ? '└ ' : '├ '}`, `${rest}${isLast ? '  ' : '│ '}`);
    }),
  ];
}

function count(viewers: number): string {
  return viewers === 1 ? '1 viewer' : `${viewers} viewers`;
}
