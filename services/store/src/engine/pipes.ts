/**
 * Named pipes that carry results out of the engine: a query ends in `INTO OUTFILE '<pipe>'`, so its bytes arrive in the
 * format the engine writes, of any size, and a slow client slows the query down instead of filling memory.
 */
import { execFile } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** One result on its way. */
export interface OutputPipe {
  /** Where the engine writes. */
  readonly path: string;
  /** The bytes, read once; ends after {@link OutputPipe.finish}. */
  readonly chunks: AsyncIterable<Buffer>;
  /** The engine wrote all it will: the bytes end once they are read. */
  finish(): void;
  /** Nobody wants the rest. It is still read, for a thread of the engine that writes to a full pipe could not be cancelled. */
  discard(): void;
}

/** A fixed set of pipes, one for each place at the gates. */
export class PipePool {
  readonly #folder: string;
  readonly #free: string[];

  private constructor(folder: string, paths: string[]) {
    this.#folder = folder;
    this.#free = paths;
  }

  /** Makes `count` pipes in `folder`, which is emptied first. */
  static async create(folder: string, count: number): Promise<PipePool> {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const paths = Array.from({ length: count }, (_, index) => join(folder, `result-${index}`));
    await promisify(execFile)('mkfifo', ['-m', '600', ...paths]);
    return new PipePool(folder, paths);
  }

  /**
   * Lends a pipe to `use`, and takes it back when that is done; the engine must then be done with it, too.
   * The caller must hold a place at a gate: there are as many pipes as places.
   */
  async lend<T>(use: (pipe: OutputPipe) => Promise<T>): Promise<T> {
    const path = this.#free.pop();
    if (path === undefined) throw new RangeError('A result pipe was asked for without a place at a gate');
    const pipe = openPipe(path);
    try {
      return await use(pipe);
    } finally {
      await pipe.close();
      this.#free.push(path);
    }
  }

  /** Removes the pipes. */
  async close(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function openPipe(path: string): OutputPipe & { close(): Promise<void> } {
  // A reader alone would see the end before the engine opens its side: the keeper is a writer that says nothing.
  let keeper: number | undefined = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const stream = new Socket({ fd: reader, readable: true, writable: false });
  const closed = new Promise<void>((resolve) => stream.once('close', () => resolve()));
  const finish = (): void => {
    if (keeper !== undefined) closeSync(keeper);
    keeper = undefined;
  };
  return {
    path,
    chunks: stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>,
    finish,
    discard() {
      stream.removeAllListeners('readable').on('data', () => {});
    },
    async close() {
      finish();
      stream.destroy();
      await closed;
    },
  };
}
