/**
 * The log file of one child: bounded on disk by keeping one older file beside it, with the last lines at hand for the
 * message that says why the child failed. Before it: the child's stdout and stderr.
 */
import { closeSync, mkdirSync, openSync, renameSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** A log file. When it would grow past its bound, it becomes `<path>.1` (the one before is dropped) and a new one begins. */
export interface BoundedLog {
  readonly path: string;
  append(chunk: Buffer): void;
  /** The last lines of this process's time, oldest first, at most `count`. */
  lastLines(count: number): string[];
  close(): void;
}

const TAIL_CHARACTERS = 16_384;

/** Opens the log; what a run before left there becomes `<path>.1`. */
export function openLog(path: string, maxBytes = 8 * 1024 * 1024): BoundedLog {
  mkdirSync(dirname(path), { recursive: true });
  let size = 0;
  let tail = '';
  let file = begin();

  function begin(): number {
    if (statSync(path, { throwIfNoEntry: false })?.size) renameSync(path, `${path}.1`);
    size = 0;
    return openSync(path, 'w', 0o600);
  }

  return {
    path,
    append(chunk) {
      if (size > 0 && size + chunk.length > maxBytes) {
        closeSync(file);
        file = begin();
      }
      writeSync(file, chunk);
      size += chunk.length;
      tail = (tail + chunk.toString('utf8')).slice(-TAIL_CHARACTERS);
    },
    lastLines: (count) =>
      tail
        .split('\n')
        .filter((line) => line.trim() !== '')
        .slice(-count),
    close: () => closeSync(file),
  };
}
