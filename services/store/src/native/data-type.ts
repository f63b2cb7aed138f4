/** Parses the name of a ClickHouse data type, e.g. `Array(Tuple(a String, b LowCardinality(Nullable(String))))`. */

/** A type's name and what stands in its brackets. */
export interface DataType {
  name: string;
  /** Arguments as written, split at the outer commas. */
  args: readonly string[];
}

/** Splits a type into its name and arguments. */
export function parseType(text: string): DataType {
  const open = text.indexOf('(');
  if (open < 0) return { name: text.trim(), args: [] };
  return { name: text.slice(0, open).trim(), args: splitArguments(text.slice(open + 1, text.lastIndexOf(')'))) };
}

/** The type of a tuple's element, which may have a name before it: `a String` or `` `a b` String``. */
export function elementType(text: string): string {
  return text.replace(/^(?:\w+|`(?:[^`\\]|\\.)*`)\s+/, '');
}

function splitArguments(text: string): string[] {
  const args: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (character === "'" || character === '`') at = quoteEnd(text, at);
    else if (character === '(') depth++;
    else if (character === ')') depth--;
    else if (character === ',' && depth === 0) {
      args.push(text.slice(start, at).trim());
      start = at + 1;
    }
  }
  const last = text.slice(start).trim();
  return last === '' ? args : [...args, last];
}

function quoteEnd(text: string, at: number): number {
  let end = at + 1;
  while (end < text.length && text[end] !== text[at]) end += text[end] === '\\' ? 2 : 1;
  return end;
}
