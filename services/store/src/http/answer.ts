/**
 * One HTTP answer: holds the first bytes back, so that an early error still gets a status of its own, then streams. An
 * error that comes later is written into the body, framed as ClickHouse does since 25.11, and the connection is cut so
 * that no client takes the result for whole. Last step of a query's way.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Transform } from 'node:stream';
import { constants, createBrotliCompress, createDeflate, createGzip, createZstdCompress } from 'node:zlib';
import { STORE_HEADER } from '@weir/contracts/tables';
import type { EngineIdentity } from '../engine/engine.ts';
import { exceptionText, type QueryException } from '../exceptions.ts';
import { contentType } from './content-type.ts';
import type { Encoding } from './request.ts';
import { httpStatus } from './status.ts';

/** Bytes held back before the status is sent: what a server's output buffer has. */
const HOLD_BYTES = 1_048_576;
/** Held back with `wait_end_of_query=1`; a larger result streams from there on. */
const HOLD_ALL_BYTES = 67_108_864;
/** A client that takes nothing for so long is cut (`send_timeout` of a server). */
const SEND_TIMEOUT_MS = 300_000;

const EXPOSED = ['Query-Id', 'Summary', 'Server-Display-Name', 'Format', 'Timezone', 'Exception-Code', 'Exception-Tag'];

/** Figures for `X-ClickHouse-Summary`; what the engine does not tell is left out, not made up. */
export interface Summary {
  read_rows?: number;
  read_bytes?: number;
  written_rows?: number;
  written_bytes?: number;
  result_rows?: number;
  /** In the engine's memory, not as written. */
  result_bytes?: number;
}

/** What an answer needs to know of its request. */
export interface AnswerOptions {
  queryId: string;
  identity: EngineIdentity;
  encoding: Encoding | undefined;
}

const ENCODERS: Readonly<Record<Encoding, () => Transform & { flush(callback: () => void): void }>> = {
  gzip: () => createGzip({ level: 3 }),
  deflate: () => createDeflate({ level: 3 }),
  br: () => createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 3 } }),
  zstd: () => createZstdCompress(),
};

/** Writes one answer; `succeed` or `fail` ends it. */
export class Answer {
  readonly #response: ServerResponse;
  readonly #options: AnswerOptions;
  readonly #tag = randomBytes(16).toString('hex').slice(0, 16);
  readonly #startedAt = process.hrtime.bigint();
  /** Aborts when the connection is gone: nothing drains any more. */
  readonly #closed = new AbortController();
  #format: string | undefined;
  #holdBytes = HOLD_BYTES;
  #held: Buffer[] | undefined = [];
  #heldBytes = 0;
  #encoder: ReturnType<(typeof ENCODERS)[Encoding]> | undefined;

  constructor(response: ServerResponse, options: AnswerOptions) {
    this.#response = response;
    this.#options = options;
    response.once('close', () => this.#closed.abort());
  }

  /** Says what the body will be; before the first write. */
  begin(format: string | undefined, waitEndOfQuery: boolean): void {
    this.#format = format;
    if (waitEndOfQuery) this.#holdBytes = HOLD_ALL_BYTES;
  }

  /**
   * Adds to the body; resolves when the client has taken enough for more. `chunk` belongs to the answer from now on.
   * @throws when the client is gone or took nothing for {@link SEND_TIMEOUT_MS}.
   */
  async write(chunk: Buffer): Promise<void> {
    if (!this.#held) return await this.#send(chunk);
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#heldBytes >= this.#holdBytes) await this.#release();
  }

  /** Ends an answer that went well. */
  async succeed(summary: Summary): Promise<void> {
    if (this.#held) {
      const headers = { ...this.#headers(), 'X-ClickHouse-Summary': this.#summary(summary) };
      const body = Buffer.concat(this.#held);
      this.#held = undefined;
      if (body.length === 0 || this.#options.encoding === undefined) {
        this.#response.writeHead(200, { ...headers, 'Content-Length': body.length });
        this.#response.end(body);
        return;
      }
      this.#start(headers);
      await this.#send(body);
    }
    if (this.#encoder) this.#encoder.end();
    else this.#response.end();
  }

  /** Ends an answer that failed, wherever it was. */
  async fail(exception: QueryException): Promise<void> {
    const text = exceptionText(exception, this.#options.identity.version);
    if (this.#held) {
      this.#held = undefined;
      const headers = { ...this.#headers(), 'X-ClickHouse-Exception-Code': exception.clickhouseCode };
      this.#response.writeHead(httpStatus(exception.clickhouseCode), {
        ...headers,
        'Content-Type': 'text/plain; charset=UTF-8',
        'Content-Length': Buffer.byteLength(text),
      });
      this.#response.end(text);
      return;
    }
    const frame = `\r\n__exception__\r\n${this.#tag}\r\n${text}${Buffer.byteLength(text)} ${this.#tag}\r\n__exception__\r\n`;
    await this.#send(Buffer.from(frame));
    const encoder = this.#encoder;
    if (encoder) await new Promise<void>((resolve) => encoder.flush(() => resolve()));
    this.#response.socket?.end();
  }

  async #release(): Promise<void> {
    const body = Buffer.concat(this.#held ?? []);
    this.#held = undefined;
    this.#start(this.#headers());
    await this.#send(body);
  }

  #start(headers: OutgoingHttpHeaders): void {
    const { encoding } = this.#options;
    if (encoding === undefined) {
      this.#response.writeHead(200, headers);
      return;
    }
    this.#response.writeHead(200, { ...headers, 'Content-Encoding': encoding, Vary: 'Accept-Encoding' });
    this.#encoder = ENCODERS[encoding]();
    this.#encoder.pipe(this.#response);
  }

  async #send(chunk: Buffer): Promise<void> {
    const target = this.#encoder ?? this.#response;
    if (target.write(chunk)) return;
    const timer = setTimeout(() => this.#response.destroy(), SEND_TIMEOUT_MS).unref();
    try {
      await once(target, 'drain', { signal: this.#closed.signal });
    } finally {
      clearTimeout(timer);
    }
  }

  #headers(): OutgoingHttpHeaders {
    const { queryId, identity } = this.#options;
    return {
      'Content-Type': contentType(this.#format),
      [STORE_HEADER]: identity.version,
      'X-ClickHouse-Server-Display-Name': identity.displayName,
      'X-ClickHouse-Query-Id': queryId,
      ...(this.#format === undefined ? {} : { 'X-ClickHouse-Format': this.#format }),
      'X-ClickHouse-Timezone': identity.timezone,
      'X-ClickHouse-Exception-Tag': this.#tag,
      'Access-Control-Expose-Headers': EXPOSED.map((name) => `X-ClickHouse-${name}`).join(','),
    };
  }

  #summary(summary: Summary): string {
    const figures = { ...summary, elapsed_ns: process.hrtime.bigint() - this.#startedAt };
    return JSON.stringify(Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, String(value)])));
  }
}
