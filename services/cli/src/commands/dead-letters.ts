/** `weir dead-letters`: what ingest could not use, why, and what is to become of it. */
import { ConfigError, WeirError } from '@weir/contracts/errors';
import type { CliCommand, Invocation } from '../cli-command.ts';
import { describePayload } from '../dead-letters/describe.ts';
import { DeadLetters, type Letter, type LetterFilter, PARTLY_STORED } from '../dead-letters/letters.ts';
import { withNats } from '../node-control.ts';
import { type Column, tableLines } from '../print/table.ts';
import { bytes } from '../print/units.ts';
import { findRun } from '../run-state.ts';

const DEFAULT_LIMIT = 50;

const COLUMNS: readonly Column<Letter>[] = [
  { title: 'id', align: 'right', value: ({ id }) => String(id) },
  { title: 'time', value: ({ time }) => time.slice(0, 19).replace('T', ' ') },
  { title: 'node', value: ({ node }) => node || '–' },
  { title: 'signal', value: ({ signal }) => signal || '–' },
  { title: 'size', align: 'right', value: ({ sizeBytes }) => bytes(sizeBytes) },
  { title: 'code', value: ({ code }) => code },
  { title: 'reason', value: ({ reason }) => reason },
];

export const deadLetters: CliCommand = {
  description:
    'Telemetry that ingest could not use, with the reason: list it, show one, replay it (after the cause was mended; it ' +
    'goes through ingest again and leaves here) or drop it. Letters with the code REFUSED are stored in part: replaying one ' +
    'counts that part again, so it is done with --force only.',
  sections: ['nats'],
  examples: [
    ['weir dead-letters list', 'the newest 50'],
    ['weir dead-letters list --code NODE_MISMATCH --json', 'all of one code, one JSON object per line'],
    ['weir dead-letters show 17', 'its headers and what can be read of it'],
    ['weir dead-letters replay 17 18', 'these two again'],
    ['weir dead-letters drop --all --node edge-3', 'all of one node, for good'],
  ],
  define(command) {
    command.argument('<action>', 'list, show, replay or drop');
    command.argument('[id...]', 'ids of letters, as list shows them');
    command.option('--code <code>', 'only letters of this code (DECODE, NODE_MISMATCH, REFUSED, TOO_LARGE, …)');
    command.option('--node <name>', 'only letters of this node');
    command.option('--limit <n>', `list: the newest so many (default: ${DEFAULT_LIMIT}, with --json all)`);
    command.option('--all', 'replay, drop: all letters that --code and --node leave');
    command.option('--force', 'replay: also letters that are stored in part');
    command.option('--json', 'print JSON, one object per line');
    command.option('--data <dir>', 'data directory of the running system (default: .weir here or above)');
  },
  async run(invocation) {
    const [action = ''] = invocation.args;
    const act = ACTIONS[action];
    if (!act) {
      const known = Object.keys(ACTIONS).join(', ');
      throw new ConfigError('DEAD_LETTER_ACTION', `weir dead-letters knows ${known}, not "${action}".`);
    }
    const config = invocation.config(findRun(invocation.options.data as string | undefined)?.config);
    return withNats(config.nats, async (connection) => act(await DeadLetters.open(connection), invocation));
  },
};

type Action = (letters: DeadLetters, invocation: Invocation) => Promise<number>;

const ACTIONS: Record<string, Action> = { list, show, replay, drop };

async function list(letters: DeadLetters, { options }: Invocation): Promise<number> {
  const isJson = options.json === true;
  const limit = Number(options.limit ?? DEFAULT_LIMIT);
  if (!Number.isSafeInteger(limit) || limit < 1)
    throw new ConfigError('DEAD_LETTER_LIMIT', `--limit takes a whole number from 1, not "${options.limit}".`);
  const isWhole = isJson && options.limit === undefined;
  let newest: Letter[] = [];
  let total = 0;
  for await (const letter of letters.list(filterOf(options))) {
    total++;
    if (isWhole) print(JSON.stringify(letter));
    else newest.push(letter);
    if (newest.length > 2 * limit) newest = newest.slice(-limit);
  }
  newest = newest.slice(-limit);
  if (isJson) for (const letter of newest) print(JSON.stringify(letter));
  else if (total === 0) print('There are no dead letters.');
  else {
    print(tableLines(COLUMNS, newest).join('\n'));
    if (total > newest.length) print(`${total - newest.length} older ones are not shown; see --limit.`);
  }
  return 0;
}

async function show(letters: DeadLetters, invocation: Invocation): Promise<number> {
  for (const id of idsOf(invocation)) {
    const letter = await letters.get(id);
    const { payload, ...rest } = letter;
    if (invocation.options.json === true) {
      print(JSON.stringify({ ...rest, payloadBase64: Buffer.from(payload).toString('base64') }));
      continue;
    }
    for (const [name, value] of Object.entries(rest)) print(`${name.padEnd(12)} ${value}`);
    print(describePayload(letter).join('\n'));
  }
  return 0;
}

async function replay(letters: DeadLetters, invocation: Invocation): Promise<number> {
  const isForced = invocation.options.force === true;
  let done = 0;
  let left = 0;
  for (const { id, code } of await chosen(letters, invocation)) {
    if (code === PARTLY_STORED && !isForced) {
      left++;
      continue;
    }
    await letters.replay(id);
    done++;
  }
  tell(invocation, { replayed: done, left });
  if (left === 0) return 0;
  throw new WeirError(
    'DEAD_LETTER_PARTLY_STORED',
    `${left} letters with the code ${PARTLY_STORED} were left: their rows for other tables are stored and would count twice; --force replays them all the same.`,
  );
}

async function drop(letters: DeadLetters, invocation: Invocation): Promise<number> {
  let done = 0;
  for (const { id } of await chosen(letters, invocation)) if (await letters.drop(id)) done++;
  tell(invocation, { dropped: done });
  return 0;
}

/** `3 replayed.`, or all figures as JSON. */
function tell({ options }: Invocation, figures: Record<string, number>): void {
  const [[name, count] = []] = Object.entries(figures);
  print(options.json === true ? JSON.stringify(figures) : `${count} ${name}.`);
}

/** Named letters, or with --all those that match; found before the first is touched. */
async function chosen(letters: DeadLetters, invocation: Invocation): Promise<Letter[]> {
  if (invocation.options.all !== true) {
    const ids = idsOf(invocation);
    if (invocation.options.code !== undefined || invocation.options.node !== undefined)
      throw new ConfigError('DEAD_LETTER_WHICH', 'Give ids, or --all with --code and --node, not both.');
    return Promise.all(ids.map((id) => letters.get(id)));
  }
  if (invocation.args.length > 1) throw new ConfigError('DEAD_LETTER_WHICH', 'Give ids or --all, not both.');
  const all: Letter[] = [];
  for await (const letter of letters.list(filterOf(invocation.options))) all.push(letter);
  return all;
}

function idsOf({ args }: Invocation): number[] {
  const ids = args.slice(1).map(Number);
  if (ids.length === 0) {
    const or = args[0] === 'show' ? '' : ', or --all';
    throw new ConfigError('DEAD_LETTER_WHICH', `weir dead-letters ${args[0]} needs an id${or}.`);
  }
  const wrong = ids.findIndex((id) => !Number.isSafeInteger(id) || id < 1);
  if (wrong >= 0) throw new ConfigError('DEAD_LETTER_ID', `"${args[wrong + 1]}" is no id of a dead letter.`);
  return ids;
}

function filterOf(options: Invocation['options']): LetterFilter {
  return { code: options.code as string | undefined, node: options.node as string | undefined };
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
