/** The prompt of `weir sql`: one query per line (a backslash at the end continues it), history kept over runs. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { WeirError } from '@weir/contracts/errors';
import { type Asking, print } from './print.ts';

/** Options of {@link prompt}. */
export interface PromptOptions extends Asking {
  /** Where the history is kept; undefined: only as long as this prompt. */
  historyPath: string | undefined;
}

const HISTORY_LINES = 1_000;
const END = new Set(['exit', 'quit', '\\q']);

/** Asks for queries and prints answers until `exit` or Ctrl-D. A query that fails is said, the prompt goes on. */
export async function prompt({ historyPath, ...asking }: PromptOptions): Promise<void> {
  const history = historyPath !== undefined && existsSync(historyPath) ? readHistory(historyPath) : [];
  const terminal = createInterface({
    input: process.stdin,
    output: process.stdout,
    history,
    historySize: HISTORY_LINES,
    removeHistoryDuplicates: true,
  });
  if (historyPath !== undefined) {
    terminal.on('history', (lines: string[]) => {
      writeFileSync(historyPath, `${lines.toReversed().join('\n')}\n`, { mode: 0o600 });
    });
  }
  process.stdout.write('SQL of ClickHouse; SHOW TABLES lists what there is, exit or Ctrl-D leaves.\n');
  terminal.setPrompt('weir> ');
  terminal.prompt();
  let pending = '';
  for await (const line of terminal) {
    if (line.endsWith('\\') && !END.has(line.trim())) {
      pending += `${line.slice(0, -1)}\n`;
      process.stdout.write('   -> ');
      continue;
    }
    const query = (pending + line).trim();
    pending = '';
    if (END.has(query.replace(/;$/, ''))) break;
    if (query !== '') await answer(asking, query);
    terminal.prompt();
  }
  terminal.close();
}

async function answer(asking: Asking, query: string): Promise<void> {
  try {
    await print(asking, query);
  } catch (error) {
    if (!(error instanceof WeirError)) throw error;
    process.stdout.write(`${error.message} [${error.code}]\n`);
  }
}

/** readline wants the newest line first. */
function readHistory(path: string): string[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.filter((line) => line !== '').toReversed();
}
