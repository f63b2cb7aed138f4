/** Where the primary's Unix sockets are: a folder of this process, that nobody else may look into. After it: crew.ts. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { errorCode } from '@weir/contracts/errors';

/** Longest path of a Unix socket that every system takes (sun_path). */
const MAX_PATH_BYTES = 100;
const LONGEST_NAME = 'workers-4194304-XXXXXX/links';

/**
 * Makes it in the node's own folder, or in the system's temporary one when that path is too long, and removes those of
 * processes that were killed. Whoever is done with it removes it.
 */
export function socketFolder(nodeDir: string): string {
  // Workers, and whoever listens, take a path for a socket only when it is a whole one.
  const dataDir = resolve(nodeDir);
  mkdirSync(dataDir, { recursive: true });
  for (const name of readdirSync(dataDir)) {
    const pid = /^workers-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(join(dataDir, name), { recursive: true, force: true });
  }
  const isShort = Buffer.byteLength(join(dataDir, LONGEST_NAME)) <= MAX_PATH_BYTES;
  return mkdtempSync(join(isShort ? dataDir : tmpdir(), `workers-${process.pid}-`));
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) !== 'ESRCH'; // of another user: it runs
  }
}
