/**
 * chDB runs each query on a thread of libuv's pool, the one that gzip and file access use too. The pool has four threads
 * unless the environment says otherwise before its first use, so the store asks for more as early as it can and then
 * counts what it got: that bounds the queries that may run at once.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';

const WANTED_THREADS = 32;
const DEFAULT_THREADS = 4;

/** Threads of libuv's pool, after asking for enough. */
export async function growThreadPool(): Promise<number> {
  process.env.UV_THREADPOOL_SIZE ??= String(WANTED_THREADS);
  await stat('.');
  return countThreads() ?? Number(process.env.UV_THREADPOOL_SIZE);
}

/** Threads that carry the name libuv gives its pool; undefined where the system does not tell (macOS). */
function countThreads(): number | undefined {
  try {
    const tasks = '/proc/self/task';
    const names = readdirSync(tasks).map((task) => readFileSync(`${tasks}/${task}/comm`, 'utf8').trim());
    return names.filter((name) => name === 'libuv-worker').length || DEFAULT_THREADS;
  } catch {
    return undefined;
  }
}
