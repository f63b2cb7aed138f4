/**
 * Splits ClickHouse SQL into tokens, lazily, so that the data behind an INSERT is never looked at. Works on text decoded
 * as latin1: every character is one byte, so offsets are byte offsets. The lexical rules are those of src/Parsers/Lexer.cpp.
 */

/** One token; comments and white space yield none. */
export interface Token {
  /** `word`: bare identifier, keyword or number. `identifier`: quoted identifier. `string`: literal. `symbol`: one character. */
  kind: 'word' | 'identifier' | 'string' | 'symbol';
  /** As written; what is quoted without its quotes. */
  text: string;
  /** Byte offset of the first character. */
  start: number;
  /** Byte offset behind the last character. */
  end: number;
}

const WHITESPACE = /[\s\0]+/y;
const LINE_COMMENT = /(?:--|#!|# |\xe2\x88\x92\xe2\x88\x92)[^\n]*/y;
const WORD = /[A-Za-z0-9_]+/y;
const HEREDOC = /\$[A-Za-z0-9_]*\$/y;
const QUOTES: Readonly<Record<string, Token['kind']>> = { "'": 'string', '`': 'identifier', '"': 'identifier' };
/** Typographic quotes (U+2018, U+201C) and what closes them, as UTF-8 bytes. */
const CURLY: ReadonlyArray<readonly [open: string, close: string, kind: Token['kind']]> = [
  ['\xe2\x80\x98', '\xe2\x80\x99', 'string'],
  ['\xe2\x80\x9c', '\xe2\x80\x9d', 'identifier'],
];

/** The tokens of `text` (latin1) from `from` on. An unclosed quote or comment reaches to the end. */
export function* tokens(text: string, from = 0): Generator<Token, undefined> {
  let at = from;
  while (at < text.length) {
    const blank = match(WHITESPACE, text, at) ?? match(LINE_COMMENT, text, at);
    if (blank !== undefined) {
      at += blank;
    } else if (text.startsWith('/*', at)) {
      at = closedBy(text, '*/', at + 2);
    } else {
      const token = next(text, at);
      yield token;
      at = token.end;
    }
  }
  return undefined;
}

function next(text: string, at: number): Token {
  const quote = QUOTES[text[at]!];
  if (quote) return quoted(quote, text, at, quoteEnd(text, at), 1);
  const word = match(WORD, text, at);
  if (word !== undefined) return { kind: 'word', text: text.slice(at, at + word), start: at, end: at + word };
  const heredoc = match(HEREDOC, text, at);
  if (heredoc !== undefined) {
    const close = text.indexOf(text.slice(at, at + heredoc), at + heredoc);
    if (close >= 0) return quoted('string', text, at, close + heredoc, heredoc);
  }
  for (const [open, close, kind] of CURLY) {
    if (text.startsWith(open, at)) return quoted(kind, text, at, closedBy(text, close, at + open.length), open.length);
  }
  return { kind: 'symbol', text: text[at]!, start: at, end: at + 1 };
}

function quoted(kind: Token['kind'], text: string, start: number, end: number, quoteLength: number): Token {
  return { kind, text: text.slice(start + quoteLength, end - quoteLength), start, end };
}

/** End of the quoted text that begins at `at`; a backslash escapes, a doubled quote stands for itself. */
function quoteEnd(text: string, at: number): number {
  const quote = text[at];
  for (let i = at + 1; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === quote) {
      if (text[i + 1] !== quote) return i + 1;
      i++;
    }
  }
  return text.length;
}

function closedBy(text: string, close: string, from: number): number {
  const at = text.indexOf(close, from);
  return at < 0 ? text.length : at + close.length;
}

/** Length of what the sticky `pattern` matches at `at`. */
function match(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0].length;
}
