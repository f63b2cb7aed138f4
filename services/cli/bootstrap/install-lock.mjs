/**
 * One installation at a time: a lock file with the holder's pid, kept fresh by its holder, taken over when the holder
 * is gone. Plain files, because nothing else is there on a fresh clone and an old Node.
 */
import { readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';

const POLL_MS = 200;
const REFRESH_MS = 2000;
const STALE_MS = 30_000;

/**
 * Runs `work` while holding the lock at `path`, after waiting for whoever holds it.
 * @template T
 * @param {string} path
 * @param {(sentence: string) => void} say told once when there is somebody to wait for
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withInstallLock(path, say, work) {
  const token = `${process.pid} ${Date.now()} ${Math.random()}`;
  for (let waited = false; !tryTake(path, token); waited = true) {
    const holder = readHolder(path);
    if (holder !== undefined && isGone(path, holder)) takeAway(path, holder);
    else if (!waited) say(`another start (pid ${holder?.split(' ')[0] ?? 'unknown'}) is installing; waiting for it …`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const refresh = setInterval(() => utimesSync(path, new Date(), new Date()), REFRESH_MS);
  const release = () => readHolder(path) === token && rmSync(path, { force: true });
  process.once('exit', release);
  try {
    return await work();
  } finally {
    clearInterval(refresh);
    process.removeListener('exit', release);
    release();
  }
}

/**
 * @param {string} path
 * @param {string} token
 */
function tryTake(path, token) {
  try {
    writeFileSync(path, token, { flag: 'wx' });
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

/** @param {string} path */
function readHolder(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined; // released meanwhile
  }
}

/**
 * @param {string} path
 * @param {string} holder
 */
function isGone(path, holder) {
  try {
    if (Date.now() - statSync(path).mtimeMs > STALE_MS) return true;
    const pid = Number(holder.split(' ')[0]);
    if (pid > 0) process.kill(pid, 0);
    return false;
  } catch (error) {
    return hasCode(error, 'ESRCH');
  }
}

/**
 * Removes the lock of a holder that is gone, unless somebody else has replaced it in between.
 * @param {string} path
 * @param {string} holder
 */
function takeAway(path, holder) {
  const aside = `${path}.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch {
    return; // another waiter was faster
  }
  if (readHolder(aside) === holder) rmSync(aside, { force: true });
  else renameSync(aside, path);
}

/**
 * @param {unknown} error
 * @param {string} code
 */
function hasCode(error, code) {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}
