/**
 * What the read-only user is kept from although the engine's read-only mode would let it pass: KILL, and functions that
 * read the machine's files. Looks at statements that the engine's own parser wrote out (Engine.normalise), never at what
 * was sent, so that no comment, quote or alternative spelling can hide anything.
 */
import { refuse } from '../exceptions.ts';
import { type Token, tokens } from './tokens.ts';

const READING_VERBS: ReadonlySet<string> = new Set([
  'SELECT',
  'WITH',
  '(',
  'SHOW',
  'DESCRIBE',
  'DESC',
  'EXPLAIN',
  'EXISTS',
]);

/** Functions that take a path and are not covered by the engine's read-only mode, as they change nothing. */
const FILE_FUNCTIONS: ReadonlySet<string> = new Set(['file', 'catboostevaluate', 'eval', 'filesystem', 'executable']);

/**
 * Passes a normalised statement or throws.
 * @param normalised UTF-8 text from the engine's formatter.
 * @throws QueryException READONLY (164) or FUNCTION_NOT_ALLOWED (446).
 */
export function guardReader(normalised: string): void {
  let previous: Token | undefined;
  let beforePrevious: Token | undefined;
  for (const token of tokens(Buffer.from(normalised, 'utf8').toString('latin1'))) {
    if (previous === undefined && !READING_VERBS.has(token.text.toUpperCase())) {
      throw refuse('READONLY', 'Cannot execute query in readonly mode');
    }
    if (callsFileFunction(token, previous, beforePrevious)) {
      throw refuse('FUNCTION_NOT_ALLOWED', 'Functions that read files are not allowed for the read-only user');
    }
    beforePrevious = previous;
    previous = token;
  }
}

/** `file(…)`, `APPLY file` and `APPLY(file)`; `token` is what stands behind the name, or the name behind APPLY. */
function callsFileFunction(token: Token, previous: Token | undefined, beforePrevious: Token | undefined): boolean {
  const isCall = token.kind === 'symbol' && token.text === '(' && names(previous);
  const isApplied = names(token) && (isApply(previous) || (previous?.text === '(' && isApply(beforePrevious)));
  return isCall || isApplied;
}

function names(token: Token | undefined): boolean {
  if (token?.kind !== 'word' && token?.kind !== 'identifier') return false;
  return FILE_FUNCTIONS.has(token.text.toLowerCase());
}

function isApply(token: Token | undefined): boolean {
  return token?.kind === 'word' && token.text.toUpperCase() === 'APPLY';
}
