/**
 * The body of a request: decompressed, its beginning in memory (the statement is there), the rest a stream that nobody
 * has read yet. Rows of an INSERT go from here to a file, as bytes, before the engine sees them: a body that breaks off
 * inserts nothing.
 */
import { createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { refuse } from '../exceptions.ts';
import type { Encoding } from './request.ts';

/** A statement must begin and, unless it is an INSERT, end within so many bytes. */
const HEAD_BYTES = 1_048_576;

/** A request's body. */
export interface RequestBody {
  /** Up to {@link HEAD_BYTES} and a chunk. */
  head: Buffer;
  /** What follows; undefined when `head` is all. Read once. */
  rest: AsyncIterable<Buffer> | undefined;
}

const DECODERS: Readonly<Record<Encoding, () => Transform>> = {
  gzip: createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};

/**
 * Reads the beginning of the body.
 * @throws QueryException CANNOT_DECOMPRESS for an encoding that is unknown or broken, NETWORK_ERROR when the client leaves.
 */
export async function readBody(message: IncomingMessage): Promise<RequestBody> {
  const chunks = decoded(message)[Symbol.asyncIterator]();
  const head: Buffer[] = [];
  let sizeBytes = 0;
  while (sizeBytes < HEAD_BYTES) {
    const { value, done } = await chunks.next();
    if (done) return { head: Buffer.concat(head), rest: undefined };
    head.push(value);
    sizeBytes += value.length;
  }
  return { head: Buffer.concat(head), rest: { [Symbol.asyncIterator]: () => chunks } };
}

/** Writes `first` and then `rest` to a new file at `path`; resolves with its size. The file is there also when this throws. */
export async function spool(path: string, first: Buffer, rest: AsyncIterable<Buffer> | undefined): Promise<number> {
  if (!rest) {
    await writeFile(path, first, { flag: 'wx', mode: 0o600 });
    return first.length;
  }
  const all = async function* (): AsyncGenerator<Buffer> {
    yield first;
    yield* rest;
  };
  const file = createWriteStream(path, { flags: 'wx', mode: 0o600 });
  await pipeline(Readable.from(all(), { objectMode: false }), file);
  return file.bytesWritten;
}

async function* decoded(message: IncomingMessage): AsyncGenerator<Buffer> {
  const encoding = message.headers['content-encoding'];
  const source = encoding === undefined || encoding === 'identity' ? message : decode(message, encoding);
  try {
    yield* source as AsyncIterable<Buffer>;
  } catch (error) {
    if (message.errored || !message.complete)
      throw refuse('NETWORK_ERROR', 'The client left before the body was complete', error);
    throw refuse('CANNOT_DECOMPRESS', `The body is no valid ${encoding} data`, error);
  }
}

function decode(message: IncomingMessage, encoding: string): Readable {
  if (!Object.hasOwn(DECODERS, encoding)) {
    throw refuse(
      'CANNOT_DECOMPRESS',
      `Content-Encoding '${encoding}' is not supported: use ${Object.keys(DECODERS).join(', ')}`,
    );
  }
  const decoder = DECODERS[encoding as Encoding]();
  // The decoder carries the error of either side to who reads it.
  pipeline(message, decoder).catch((error: Error) => decoder.destroy(error));
  return decoder;
}
