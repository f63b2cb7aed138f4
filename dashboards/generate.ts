/**
 * `npm run dashboards` writes dashboards/generated; with `--check` it compares instead and ends with 1 when a file differs,
 * is missing or should not be there. Runs after the panel files were changed, before a commit.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type GeneratedFile, generateFiles } from './files.ts';

const FOLDER = fileURLToPath(new URL('./generated/', import.meta.url));

/** Differences between a folder and the files it should hold, one sentence each. */
export function differences(folder: string, files: readonly GeneratedFile[]): string[] {
  const wanted = new Map(files.map(({ path, text }) => [path, text]));
  const there = new Set(listFiles(folder));
  const changed = [...wanted].flatMap(([path, text]) => {
    if (!there.has(path)) return [`${path} is missing`];
    return readFileSync(join(folder, path), 'utf8') === text ? [] : [`${path} is not what its source makes`];
  });
  const left = [...there].filter((path) => !wanted.has(path)).map((path) => `${path} has no source any more`);
  return [...changed, ...left];
}

/** Writes all files below a folder; what else is there stays. */
export function writeFiles(folder: string, files: readonly GeneratedFile[]): void {
  for (const { path, text } of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}

function listFiles(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(folder.length).replaceAll('\\', '/'));
  } catch {
    return [];
  }
}

// npm scripts run it inside of the process that chose the Node (services/cli/bootstrap/launch.mjs), where it is not "main"
if (process.argv[1] === import.meta.filename) {
  const files = generateFiles();
  if (process.argv.includes('--check')) {
    const found = differences(FOLDER, files);
    for (const sentence of found) console.error(`dashboards/generated/${sentence}: run npm run dashboards.`);
    if (found.length === 0) console.log(`${files.length} files of dashboards/generated are what their sources make`);
    process.exitCode = found.length > 0 ? 1 : 0;
  } else {
    rmSync(FOLDER, { recursive: true, force: true });
    writeFiles(FOLDER, files);
    console.log(`${files.length} files written to dashboards/generated`);
  }
}
