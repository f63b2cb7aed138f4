/** Writes and reads the folder of `weir infra render`. A folder that is not ours is never touched. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { WeirError } from '@weir/contracts/errors';
import type { OutputFile } from './folder.ts';

/** Marks a folder as ours, so that files of an earlier run may be taken away. */
const MARKER = '.weir-rendered';

/**
 * Writes `files` into `folder` and takes away what an earlier run left there.
 * @throws WeirError `INFRA_FOREIGN_FOLDER` when the folder holds anything and is not one of ours.
 */
export function writeFolder(folder: string, files: readonly OutputFile[]): { written: number; removed: number } {
  const known = new Set(files.map((file) => file.path));
  if (existsSync(folder) && readdirSync(folder).length > 0 && !isRendered(folder)) {
    throw new WeirError(
      'INFRA_FOREIGN_FOLDER',
      `${folder} holds files that were not rendered; choose an empty folder, because old rendered files are removed from it.`,
    );
  }
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, MARKER), 'Written by weir infra render; everything here is replaced by the next run.\n');
  const stale = readFolder(folder).filter((file) => !known.has(file.path));
  for (const file of stale) rmSync(join(folder, file.path));
  let written = 0;
  for (const file of files) {
    const path = join(folder, file.path);
    if (existsSync(path) && readFileSync(path, 'utf8') === file.content) continue;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, file.content);
    if (file.executable) chmodSync(path, 0o755);
    written += 1;
  }
  return { written, removed: stale.length };
}

/** Whether `folder` is one that {@link writeFolder} wrote. */
export function isRendered(folder: string): boolean {
  return existsSync(join(folder, MARKER));
}

/** The rendered files in `folder`, by path; none when it is missing. */
export function readFolder(folder: string): OutputFile[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== MARKER)
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const executable = (statSync(path).mode & 0o100) !== 0;
      return { path: relative(folder, path), content: readFileSync(path, 'utf8'), executable };
    })
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}
