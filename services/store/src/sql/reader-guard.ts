/**
 * What the read-only user is kept from although the engine's read-only mode would let it pass: KILL, functions that
 * read the machine's files, and DESCRIBE of table functions that reach files or the network. Looks at statements that the engine's own parser wrote out (Engine.normalise), never at what
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

/** Functions beside the table functions that take a path; the engine's read-only mode lets them pass, as they change nothing. */
const FILE_FUNCTIONS: readonly string[] = ['file', 'catboostEvaluate'];

/** Table functions that reach nothing beyond the store's tables; all others, also those of later versions, are refused. */
const HARMLESS_TABLE_FUNCTIONS: ReadonlySet<string> = new Set([
  'numbers',
  'numbers_mt',
  'zeros',
  'zeros_mt',
  'generateSeries',
  'generate_series',
  'generateRandom',
  'primes',
  'values',
  'SQLStandardValues',
  'null',
  'view',
  'merge',
  'format',
  'mergeTreeIndex',
  'mergeTreeProjection',
]);

/** Functions the reader may not call, lower case, given the names of all table functions of the engine. */
export function forbiddenFunctions(tableFunctions: Iterable<string>): ReadonlySet<string> {
  const reaching = [...tableFunctions].filter((name) => !HARMLESS_TABLE_FUNCTIONS.has(name));
  return new Set([...FILE_FUNCTIONS, ...reaching].map((name) => name.toLowerCase()));
}

/**
 * Passes a normalised statement or throws.
 * @param normalised UTF-8 text from the engine's formatter.
 * @param forbidden See {@link forbiddenFunctions}.
 * @throws QueryException READONLY (164) or FUNCTION_NOT_ALLOWED (446).
 */
export function guardReader(normalised: string, forbidden: ReadonlySet<string>): void {
  let previous: Token | undefined;
  let beforePrevious: Token | undefined;
  for (const token of tokens(Buffer.from(normalised, 'utf8').toString('latin1'))) {
    if (previous === undefined && !READING_VERBS.has(token.text.toUpperCase())) {
      throw refuse('READONLY', 'Cannot execute query in readonly mode');
    }
    const name = calledName(token, previous, beforePrevious);
    if (name !== undefined && forbidden.has(name.toLowerCase())) {
      throw refuse(
        'FUNCTION_NOT_ALLOWED',
        `Function ${name} is not allowed for the read-only user: it reaches beyond the store's tables`,
      );
    }
    beforePrevious = previous;
    previous = token;
  }
}

/** The function that is called: `name(`, where `token` is the bracket, or `APPLY name` and `APPLY(name)`, where it is the name. */
function calledName(token: Token, previous: Token | undefined, beforePrevious: Token | undefined): string | undefined {
  if (token.kind === 'symbol') return token.text === '(' && isName(previous) ? previous.text : undefined;
  const isApplied = isApply(previous) || (previous?.text === '(' && isApply(beforePrevious));
  return isApplied && isName(token) ? token.text : undefined;
}

function isName(token: Token | undefined): token is Token {
  return token?.kind === 'word' || token?.kind === 'identifier';
}

function isApply(token: Token | undefined): boolean {
  return token?.kind === 'word' && token.text.toUpperCase() === 'APPLY';
}
