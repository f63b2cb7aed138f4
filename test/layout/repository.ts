/** The repository as the layout rules see it: its files (tracked or about to be) with their text, nothing that is ignored. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** One file; `path` from the repository's root, with `/`. */
export interface RepositoryFile {
  path: string;
  /** Empty for files that are neither source text nor a document. */
  text: string;
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SOURCE = /\.(ts|mjs|js|json|md)$/;

/** All files of the working tree that git does not ignore. */
export function readRepository(): RepositoryFile[] {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return [...new Set(listed.split('\0'))]
    .filter((path) => path !== '' && existsSync(join(ROOT, path)))
    .map((path) => ({ path, text: SOURCE.test(path) ? readFileSync(join(ROOT, path), 'utf8') : '' }));
}
