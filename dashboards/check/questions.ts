/** The worked SQL questions of dashboards/sql: text, what each asks, and the parameters it takes. */
import { readdirSync, readFileSync } from 'node:fs';

/** One file of dashboards/sql. */
export interface SqlQuestion {
  /** File name without `.sql`. */
  readonly name: string;
  /** First comment line: the question. */
  readonly question: string;
  /** From comment lines `-- name Type = example`. */
  readonly parameters: readonly { readonly name: string; readonly type: string; readonly example: string }[];
  readonly sql: string;
}

const FOLDER = new URL('../sql/', import.meta.url);

/** All questions, by name. */
export function readQuestions(folder = FOLDER): SqlQuestion[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file) => {
      const text = readFileSync(new URL(file, folder), 'utf8');
      const comments = text.split('\n').filter((line) => line.startsWith('-- '));
      const parameters = comments.flatMap((line) => {
        const match = /^-- (\w+) (\w+) = (.+)$/.exec(line);
        return match ? [{ name: match[1] ?? '', type: match[2] ?? '', example: match[3] ?? '' }] : [];
      });
      const sql = text.replaceAll(/^-- .*\n/gm, '').trim();
      return { name: file.slice(0, -4), question: (comments[0] ?? '').slice(3), parameters, sql };
    });
}
