/**
 * `npm run bench -- <name> [arguments]`: runs test/bench/<name>.ts, or lists what there is. `--help` after a name prints the
 * comment at the bench's head: what it measures and its arguments are told in one place.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { closest } from 'fastest-levenshtein';

const FOLDER = fileURLToPath(new URL('../../../test/bench/', import.meta.url));
const [name, ...args] = process.argv.slice(2);
const known = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  .map((file) => file.slice(0, -'.ts'.length));

if (name !== undefined && known.includes(name)) {
  const program = `${FOLDER}${name}.ts`;
  if (args.includes('--help') || args.includes('-h')) {
    console.log(headComment(program));
  } else {
    process.argv = [process.execPath, program, ...args];
    await import(pathToFileURL(program).href);
  }
} else if (name === '--help' || name === '-h') {
  for (const bench of known) console.log(`npm run bench -- ${bench} --help`);
} else {
  const list = known.length === 0 ? 'There is no bench yet.' : `There are: ${known.join(', ')}.`;
  const hint = name !== undefined && known.length > 0 ? ` Did you mean "${closest(name, known)}"?` : '';
  console.error(`weir: ${name === undefined ? 'Which bench?' : `Unknown bench "${name}".${hint}`} ${list} [USAGE]`);
  process.exitCode = 2;
}

/** The first block comment of a file, without its asterisks. */
function headComment(file: string): string {
  const [, comment = ''] = /^\/\*\*([\s\S]*?)\*\//.exec(readFileSync(file, 'utf8')) ?? [];
  return comment
    .split('\n')
    .map((line) => line.replace(/^ \* ?/, ''))
    .join('\n')
    .trim();
}
