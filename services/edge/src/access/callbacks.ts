/**
 * HTTP callbacks: a server of the operator's is asked whether a client may connect, publish or play, and told when it is
 * over. One POST of JSON each. Nobody waits longer than the time-out; a server that is away is not waited for again and
 * again, and what is answered for it is configured.
 *
 *   asking ──5 failures in a row──▶ away (answered at once) ──5 s──▶ asking
 */
import { createHmac } from 'node:crypto';
import { ConfigError } from '@weir/contracts/errors';
import type { CloseReason } from '@weir/contracts/events';
import type { Logger } from '@weir/contracts/logger';
import type { Refusal } from './check.ts';

/** What can be asked or told. */
export const CALLBACK_EVENTS = ['connect', 'publish', 'play', 'close'] as const;
export type CallbackEvent = (typeof CALLBACK_EVENTS)[number];

/** Header `Weir-Signature: t=<unix seconds>,v1=<hex HMAC-SHA-256 of "<t>.<body>">`. */
export const SIGNATURE_HEADER = 'Weir-Signature';

/** The body of a callback. */
export interface CallbackBody {
  event: CallbackEvent;
  /** UUID, the same in what belongs to one publisher or viewer; empty on connect. */
  id: string;
  node: string;
  protocol: string;
  app: string;
  /** Empty on connect. */
  stream: string;
  /** The client's query parameters, the last of each name. */
  query: Record<string, string>;
  clientAddress: string;
  clientPort: number;
  userAgent: string;
  /** Unix time. */
  timeMs: number;
  // close only:
  action?: 'publish' | 'play';
  reason?: CloseReason;
  durationMs?: number;
}

/** Options of {@link Callbacks}, see config `callbacks`. */
export interface CallbackOptions {
  url: string;
  events: readonly string[];
  key: string;
  timeoutMs: number;
  whenAway: 'allow' | 'deny';
}

/** Requests on their way at most; whoever comes beyond is answered as if the server were away. */
const MAX_IN_FLIGHT = 512;
const FAILURES_UNTIL_AWAY = 5;
const AWAY_MS = 5_000;
const MAX_ANSWER_BYTES = 4_096;
const MAX_DESCRIPTION = 200;

/** One per node and configuration. */
export class Callbacks {
  readonly #options: CallbackOptions;
  readonly #logger: Logger;
  readonly #closing = new AbortController();
  #inFlight = 0;
  #failures = 0;
  #awayUntilMs = 0;
  /** Callbacks that were not answered, `close` ones included. */
  unanswered = 0;

  /** @throws ConfigError `EDGE_CALLBACK_URL`, `EDGE_CALLBACK_EVENT`. */
  constructor(options: CallbackOptions, logger: Logger) {
    if (options.url !== '' && !/^https?:$/.test(URL.parse(options.url)?.protocol ?? '')) {
      throw new ConfigError(
        'EDGE_CALLBACK_URL',
        `callbacks.url is "${options.url}", which is no http:// or https:// URL.`,
      );
    }
    const unknown = options.events.find((event) => !CALLBACK_EVENTS.some((known) => known === event));
    if (unknown !== undefined) {
      const known = CALLBACK_EVENTS.join(', ');
      throw new ConfigError('EDGE_CALLBACK_EVENT', `callbacks.events has "${unknown}"; there are ${known}.`);
    }
    this.#options = options;
    this.#logger = logger;
  }

  /** Whether anybody wants to hear of `event`. */
  wants(event: CallbackEvent): boolean {
    return this.#options.url !== '' && this.#options.events.includes(event);
  }

  /** Asks; resolves within the time-out with the refusal, or with undefined when it is allowed. Never rejects. */
  async ask(body: CallbackBody): Promise<Refusal | undefined> {
    if (!this.wants(body.event)) return undefined;
    const answer = await this.#send(body);
    if (answer === 'allow') return undefined;
    if (answer !== 'away') return answer;
    if (this.#options.whenAway === 'allow') return undefined;
    return { refused: 'callback-away', description: 'Nobody can say at present whether this is allowed: try later.' };
  }

  /** Tells; nobody waits for it, and it is told once or not at all. */
  tell(body: CallbackBody): void {
    if (this.wants(body.event)) void this.#send(body);
  }

  /** Ends what is on its way. */
  close(): void {
    this.#closing.abort();
  }

  async #send(body: CallbackBody): Promise<'allow' | 'away' | Refusal> {
    if (this.#inFlight >= MAX_IN_FLIGHT || Date.now() < this.#awayUntilMs) {
      this.unanswered += 1;
      return 'away';
    }
    this.#inFlight += 1;
    try {
      const answer = await this.#post(JSON.stringify(body));
      this.#failures = 0;
      return answer;
    } catch (error) {
      this.unanswered += 1;
      if (!this.#closing.signal.aborted) this.#failed(error);
      return 'away';
    } finally {
      this.#inFlight -= 1;
    }
  }

  async #post(body: string): Promise<'allow' | Refusal> {
    const { url, key, timeoutMs } = this.#options;
    const headers: Record<string, string> = { 'Content-Type': 'application/json', 'User-Agent': 'weir' };
    if (key !== '') headers[SIGNATURE_HEADER] = callbackSignature(body, key, Math.floor(Date.now() / 1_000));
    const response = await fetch(url, {
      method: 'POST',
      headers,
      body,
      redirect: 'error',
      signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), this.#closing.signal]),
    });
    const text = await shortText(response);
    if (response.ok) return 'allow';
    // The server is there and has no answer: that is not a no.
    if (response.status >= 500 || response.status === 429) throw new Error(`it answered ${response.status}`);
    return { refused: 'callback-denied', description: described(text) };
  }

  #failed(error: unknown): void {
    this.#failures += 1;
    if (this.#failures < FAILURES_UNTIL_AWAY) return;
    this.#failures = 0;
    this.#awayUntilMs = Date.now() + AWAY_MS;
    const { url, whenAway } = this.#options;
    this.#logger.warn({ err: error, url, whenAway, forMs: AWAY_MS }, 'the callback server is away');
  }
}

/** The value of {@link SIGNATURE_HEADER} for a body. */
export function callbackSignature(body: string, key: string, nowSeconds: number): string {
  return `t=${nowSeconds},v1=${createHmac('sha256', key).update(`${nowSeconds}.${body}`).digest('hex')}`;
}

/** The first bytes of an answer; the rest is not waited for. */
async function shortText(response: Response): Promise<string> {
  if (!response.body) return '';
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const part of response.body) {
    parts.push(part);
    sizeBytes += part.length;
    if (sizeBytes >= MAX_ANSWER_BYTES) break; // ends the request
  }
  return Buffer.concat(parts).toString('utf8', 0, MAX_ANSWER_BYTES);
}

/** What to tell the client: the answer's `message`, without what could end a line. */
function described(text: string): string {
  let message: unknown;
  try {
    message = (JSON.parse(text) as { message?: unknown } | null)?.message;
  } catch {
    // no JSON, no message
  }
  const words = typeof message === 'string' ? message.replaceAll(/\p{Cc}+/gu, ' ').slice(0, MAX_DESCRIPTION) : '';
  return words === '' ? 'This is not allowed.' : words;
}
