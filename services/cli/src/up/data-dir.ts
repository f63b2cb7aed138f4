/**
 * The data directory of one system: marked as ours, held by one supervisor at a time, with the system's passwords.
 * Before it: `weir up`; after it: the plan of what to start.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { WeirError } from '@weir/contracts/errors';
import { tryExclusiveLock } from '@weir/contracts/exclusive-lock';

/** Passwords of one system, made once. */
export interface Secrets {
  relayKey: string;
  natsPassword: string;
  writerPassword: string;
  readerPassword: string;
}

/** A data directory that this process holds. */
export interface DataDir {
  /** Absolute. */
  path: string;
  secrets: Secrets;
  /** Gives it free for the next supervisor. */
  release(): void;
}

const MARKER = 'weir-data.json';
const LOCK = 'lock';
const PID = 'pid';
/** What `--fresh` leaves alone: the lock that is held, and programs fetched once. */
const KEPT = new Set([LOCK, `${LOCK}-journal`, PID, 'tools']);

/**
 * Takes the data directory, made when missing, emptied first when `fresh`.
 * @throws WeirError `UP_NOT_OURS` for a folder with other things in it, `UP_RUNNING` naming the process that holds it.
 */
export function openDataDir(path: string, fresh: boolean): DataDir {
  const folder = resolve(path);
  const entries = existsSync(folder) ? readdirSync(folder) : [];
  if (entries.some((entry) => !KEPT.has(entry)) && !entries.includes(MARKER)) {
    throw new WeirError(
      'UP_NOT_OURS',
      `${folder} has other things in it and is no data directory of Weir: choose another one with --data.`,
    );
  }
  mkdirSync(folder, { recursive: true });
  const lock = tryExclusiveLock(join(folder, LOCK));
  if (!lock) throw new WeirError('UP_RUNNING', alreadyRunning(folder));
  if (fresh) {
    for (const entry of entries) if (!KEPT.has(entry)) rmSync(join(folder, entry), { recursive: true, force: true });
  }
  writeFileSync(join(folder, PID), `${process.pid}\n`);
  writeFileSync(join(folder, MARKER), '{"what":"data of weir up"}\n');
  for (const part of ['logs', 'run']) mkdirSync(join(folder, part), { recursive: true });
  return {
    path: folder,
    secrets: readSecrets(folder),
    release() {
      rmSync(join(folder, PID), { force: true });
      lock.release();
    },
  };
}

function alreadyRunning(folder: string): string {
  let pid = 'unknown';
  try {
    pid = readFileSync(join(folder, PID), 'utf8').trim();
  } catch {
    // it has the lock and is about to write its pid
  }
  return (
    `A system already runs in ${folder} (process ${pid}): stop it with Ctrl-C there or "kill ${pid}", ` +
    'or start a second one with --data <other dir> --ports auto.'
  );
}

function readSecrets(folder: string): Secrets {
  const path = join(folder, 'secrets.json');
  if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8')) as Secrets;
  const random = () => randomBytes(24).toString('base64url');
  const secrets: Secrets = {
    relayKey: random(),
    natsPassword: random(),
    writerPassword: random(),
    readerPassword: random(),
  };
  writeFileSync(path, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
  return secrets;
}
