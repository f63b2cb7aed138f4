/**
 * Finds the few places of a statement the store must know: what kind it is, where its output clause goes, which format it
 * names, where an INSERT's data begins. Everything else is the engine's to parse. Comes after http/request.ts; the result
 * goes to execute.ts.
 */
import { refuse } from '../exceptions.ts';
import { type Token, tokens } from './tokens.ts';

/** A statement; all offsets are bytes into the text that was given. */
export type Statement =
  | {
      /** Its result may be of any size: it is streamed. */
      kind: 'select';
      /** Where `INTO OUTFILE` may be put. */
      outputAt: number;
      /** End of the statement, without a final semicolon or comment. */
      end: number;
      /** Its FORMAT clause. */
      format: string | undefined;
    }
  | {
      /** An INSERT with rows behind it. */
      kind: 'insert';
      /** Where `FROM INFILE` may be put: before SETTINGS, FORMAT or VALUES. */
      inputAt: number;
      /** Start and end of the SETTINGS clause, equal when there is none. */
      settingsAt: number;
      settingsEnd: number;
      format: string;
      /** First byte of the rows. */
      dataAt: number;
    }
  | {
      /** Anything else, e.g. DDL, SHOW, INSERT … SELECT: its result is small. */
      kind: 'other';
      end: number;
      format: string | undefined;
      /** First keyword, upper case. */
      verb: string;
    }
  | { kind: 'empty' };

const SELECTS = new Set(['SELECT', 'WITH', 'FROM', '(']);

/**
 * Analyses `text` (latin1).
 * @throws QueryException for more than one statement, INTO OUTFILE and FROM INFILE.
 */
export function analyse(text: string): Statement {
  const first = tokens(text).next().value;
  if (first === undefined) return { kind: 'empty' };
  const verb = first.text.toUpperCase();
  if (verb === 'INSERT' && first.kind === 'word') {
    const insert = analyseInsert(text);
    if (insert) return insert;
  }
  return analyseOutput(text, verb);
}

function is(token: Token | undefined, keyword: string): boolean {
  return token?.kind === 'word' && token.text.toUpperCase() === keyword;
}

/** Depth of brackets behind `token`. */
function depthAfter(token: Token, depth: number): number {
  if (token.kind !== 'symbol') return depth;
  if ('([{'.includes(token.text)) return depth + 1;
  return ')]}'.includes(token.text) ? depth - 1 : depth;
}

function analyseInsert(text: string): Statement | undefined {
  let depth = 0;
  let settingsAt = -1;
  let previousIsName = false;
  let previous: Token | undefined;
  let beforePrevious: Token | undefined;
  for (const token of tokens(text)) {
    const isName = namesTable(previous, beforePrevious);
    if (depth === 0 && !isName) {
      if (is(token, 'SELECT') || is(token, 'WITH')) return undefined;
      if (is(token, 'INFILE') && is(previous, 'FROM')) throw refuseInfile();
      if (is(token, 'SETTINGS')) settingsAt = token.start;
      if (is(previous, 'FORMAT') && !previousIsName && token.kind !== 'symbol') {
        const dataAt = is(token, 'VALUES') ? token.end : afterLineBreak(text, token.end);
        return insertAt(previous!, settingsAt, token.text, dataAt);
      }
      if (is(token, 'VALUES')) return insertAt(token, settingsAt, 'Values', token.end);
    }
    depth = depthAfter(token, depth);
    beforePrevious = previous;
    previous = token;
    previousIsName = isName;
  }
  return undefined;
}

/** True when the token behind `previous` is a table's name and so never a keyword. */
function namesTable(previous: Token | undefined, beforePrevious: Token | undefined): boolean {
  if (previous?.kind === 'symbol' && previous.text === '.') return true;
  if (is(previous, 'INTO')) return true;
  return (is(previous, 'TABLE') || is(previous, 'FUNCTION')) && is(beforePrevious, 'INTO');
}

function insertAt(clause: Token, settingsAt: number, format: string, dataAt: number): Statement {
  const inputAt = settingsAt < 0 ? clause.start : settingsAt;
  return { kind: 'insert', inputAt, settingsAt: inputAt, settingsEnd: clause.start, format, dataAt };
}

/** Data begin behind the line break that follows the format's name, or right behind blanks where there is none. */
function afterLineBreak(text: string, at: number): number {
  const blanks = /[ \t]*(?:\r?\n)?/y;
  blanks.lastIndex = at;
  return at + (blanks.exec(text)?.[0].length ?? 0);
}

function analyseOutput(text: string, verb: string): Statement {
  let depth = 0;
  let end = 0;
  let ended = false;
  let insertsBehindWith = false;
  /** The newest FORMAT clause that may be the statement's own: only SETTINGS or nothing follows it. */
  let format: { at: number; name: string } | undefined;
  let previous: Token | undefined;
  let beforePrevious: Token | undefined;
  for (const token of tokens(text)) {
    if (depth === 0 && token.kind === 'symbol' && token.text === ';') {
      ended = true;
      continue;
    }
    if (ended)
      throw refuse(
        'SYNTAX_ERROR',
        `Syntax error (Multi-statements are not allowed): failed at position ${token.start + 1}`,
      );
    if (depth === 0) {
      if (is(token, 'OUTFILE') && is(previous, 'INTO') && !is(beforePrevious, 'INSERT')) {
        throw refuse('INTO_OUTFILE_NOT_ALLOWED', 'INTO OUTFILE is not allowed');
      }
      if (is(token, 'INFILE') && is(previous, 'FROM')) throw refuseInfile();
      if (is(token, 'INSERT') && verb === 'WITH') insertsBehindWith = true;
      if (is(previous, 'FORMAT') && (token.kind === 'word' || token.kind === 'identifier')) {
        format = { at: previous!.start, name: token.text };
      } else if (format && is(beforePrevious, 'FORMAT') && !is(token, 'SETTINGS')) {
        format = undefined;
      }
    }
    depth = depthAfter(token, depth);
    end = token.end;
    beforePrevious = previous;
    previous = token;
  }
  if (SELECTS.has(verb) && !insertsBehindWith) {
    return { kind: 'select', outputAt: format?.at ?? end, end, format: format?.name };
  }
  return { kind: 'other', end, format: format?.name, verb };
}

function refuseInfile(): Error {
  return refuse(
    'UNKNOWN_TYPE_OF_QUERY',
    'FROM INFILE is not allowed over HTTP: send the rows as the body of the request',
  );
}
