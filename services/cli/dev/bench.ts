/** `npm run bench -- <name> [arguments]`: runs test/bench/<name>.ts, or lists what there is. */
import { readdirSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { closest } from 'fastest-levenshtein';

const FOLDER = fileURLToPath(new URL('../../../test/bench/', import.meta.url));
const [name, ...args] = process.argv.slice(2);
const known = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  .map((file) => file.slice(0, -'.ts'.length));

if (name !== undefined && known.includes(name)) {
  const program = `${FOLDER}${name}.ts`;
  process.argv = [process.execPath, program, ...args];
  await import(pathToFileURL(program).href);
} else {
  const list = known.length === 0 ? 'There is no bench yet.' : `There are: ${known.join(', ')}.`;
  const hint = name !== undefined && known.length > 0 ? ` Did you mean "${closest(name, known)}"?` : '';
  console.error(`weir: ${name === undefined ? 'Which bench?' : `Unknown bench "${name}".${hint}`} ${list} [USAGE]`);
  process.exitCode = 2;
}
