/**
 * Turns Faro payloads into rows: measurements, events with logs and exceptions, and spans. Before it: messages of the
 * signal `faro`; after it: the tables viewer_measurements, viewer_events and viewer_spans. What a page says of itself is
 * taken as far as it is well-formed; everything has a bound.
 */
import { gunzipSync } from 'node:zlib';
import { TABLE } from '@weir/contracts/tables';
import { VIEWER_CONTEXT } from '@weir/contracts/viewer';
import type { DecodeCounts } from '../decode/decode-counts.ts';
import { type JsonRows, jsonTime } from '../decode/rows.ts';
import { parseFaroType } from './content-type.ts';
import { asJson, type FaroPayload, FaroPayloadError, isJson, type Json, parseFaroPayload } from './payload.ts';
import { rowsOfSpans } from './spans.ts';
import { boundedText, numberMap, textMap, textOf } from './values.ts';

/** Where the rows go. */
export interface FaroTarget {
  readonly rows: JsonRows;
  readonly counts: DecodeCounts;
  /** The cluster this ingest belongs to. */
  readonly cluster: string;
}

/** A message of the signal `faro`. */
export interface FaroMessage {
  readonly payload: Uint8Array;
  readonly contentType: string;
  /** Unix ms at which JetStream stored it. */
  readonly storedAtMs: number;
}

const MAX_PAYLOAD_BYTES = 16_777_216;
const MAX_ITEMS = 5_000;
/** A browser's clock is believed when it is no further off; Faro keeps what it can't send for minutes, not hours. */
const PAST_MS = 3_600_000;
const FUTURE_MS = 60_000;
const MAX_MESSAGE_CHARACTERS = 8_192;

/** What all rows of a payload have in common. */
interface Common {
  cluster: string;
  site: string;
  machine_id: string;
  session_id: string;
  page_url: string;
  browser: string;
  os: string;
}

/** Decodes one message after the other. */
export class FaroDecoder {
  readonly #target: FaroTarget;

  constructor(target: FaroTarget) {
    this.#target = target;
  }

  /** Adds the rows of a message. @throws FaroPayloadError when it is no Faro payload. */
  decode(message: FaroMessage): void {
    const type = parseFaroType(message.contentType);
    const packed = Buffer.from(message.payload.buffer, message.payload.byteOffset, message.payload.byteLength);
    const payload = parseFaroPayload(type.gzip ? unpack(packed) : packed);
    const common = commonOf(payload.meta, this.#target.cluster);
    const extra = { ...(type.subnet === '' ? {} : { [VIEWER_CONTEXT.subnet]: type.subnet }) };
    const rows = new RowMaker(this.#target, message.storedAtMs, common, extra);
    this.#items(payload, rows);
  }

  #items(payload: FaroPayload, rows: RowMaker): void {
    let left = MAX_ITEMS;
    const take = (items: readonly unknown[], add: (item: Json) => void) => {
      const taken = items.slice(0, left).filter(isJson);
      left -= taken.length;
      this.#target.counts.skip('items', items.length - taken.length);
      for (const item of taken) add(item);
    };
    take(payload.measurements, (item) => rows.measurement(item));
    take(payload.events, (item) => rows.event('event', textOf(item.name), '', item.attributes, item));
    take(payload.logs, (item) => rows.event('log', textOf(item.level), textOf(item.message), item.context, item));
    take(payload.exceptions, (item) => {
      const attributes = { ...asJson(item.context), stacktrace: stackOf(item.stacktrace) };
      rows.event('exception', textOf(item.type), textOf(item.value), attributes, item);
    });
    rows.spans(payload.traces, left);
  }
}

class RowMaker {
  readonly #target: FaroTarget;
  readonly #storedAtMs: number;
  readonly #common: Common;
  readonly #extra: Record<string, string>;

  constructor(target: FaroTarget, storedAtMs: number, common: Common, extra: Record<string, string>) {
    this.#target = target;
    this.#storedAtMs = storedAtMs;
    this.#common = common;
    this.#extra = extra;
  }

  measurement(item: Json): void {
    const values = numberMap(item.values);
    if (Object.keys(values).length === 0) {
      this.#target.counts.skip('empty', 1);
      return;
    }
    const { context, ...who } = this.#place(item.context);
    this.#add(TABLE.viewerMeasurements, item, { ...who, type: boundedText(textOf(item.type)), values, context });
  }

  event(kind: string, name: string, message: string, context: unknown, item: Json): void {
    const { context: attributes, ...who } = this.#place(context);
    const bounded = { name: boundedText(name), message: message.slice(0, MAX_MESSAGE_CHARACTERS) };
    this.#add(TABLE.viewerEvents, item, { ...who, kind, ...bounded, attributes });
  }

  spans(traces: Json, most: number): void {
    const { spans, skipped } = rowsOfSpans(traces, most);
    this.#target.counts.skip('items', skipped);
    for (const { timeMs, ...span } of spans) {
      const fields = JSON.stringify({ ...this.#common, ...span });
      this.#target.rows.add(TABLE.viewerSpans, `{"time":${jsonTime(this.#believed(timeMs))},${fields.slice(1)}`);
    }
  }

  #add(table: typeof TABLE.viewerMeasurements | typeof TABLE.viewerEvents, item: Json, row: object): void {
    const timeMs = this.#believed(Date.parse(textOf(item.timestamp)));
    this.#target.rows.add(table, `{"time":${jsonTime(timeMs)},${JSON.stringify({ ...this.#common, ...row }).slice(1)}`);
  }

  /** A time far off is the fault of the browser's clock: then it was when it came. */
  #believed(timeMs: number): number {
    const isNear = timeMs >= this.#storedAtMs - PAST_MS && timeMs <= this.#storedAtMs + FUTURE_MS;
    return isNear ? timeMs : this.#storedAtMs;
  }

  /** Stream, edge and session out of the context: they are columns. */
  #place(context: unknown): {
    app: string;
    stream: string;
    node: string;
    session_id: string;
    context: Record<string, string>;
  } {
    const texts = textMap(context);
    const { app, stream, node, session, ...rest } = texts;
    return {
      app: app ?? '',
      stream: stream ?? '',
      node: node ?? '',
      session_id: session || this.#common.session_id,
      context: { ...rest, ...this.#extra },
    };
  }
}

function commonOf(meta: Json, cluster: string): Common {
  const browser = asJson(meta.browser);
  const os = textOf(asJson(meta.os).name) || textOf(browser.os);
  return {
    cluster,
    site: '',
    machine_id: '',
    session_id: boundedText(textOf(asJson(meta.session).id)),
    page_url: textOf(asJson(meta.page).url).slice(0, 2_000),
    browser: boundedText(`${textOf(browser.name)} ${textOf(browser.version).split('.', 1)[0] ?? ''}`.trim()),
    os: boundedText(os),
  };
}

function unpack(packed: Buffer): Buffer {
  try {
    return gunzipSync(packed, { maxOutputLength: MAX_PAYLOAD_BYTES });
  } catch (error) {
    throw new FaroPayloadError('FARO_GZIP', 'The payload is not valid gzip, or unpacks too large.', { cause: error });
  }
}

function stackOf(stacktrace: unknown): string {
  const { frames } = asJson(stacktrace);
  if (!Array.isArray(frames)) return '';
  const lines = frames
    .slice(0, 50)
    .map(asJson)
    .map(
      (frame) => `${textOf(frame.function)} ${textOf(frame.filename)}:${textOf(frame.lineno)}:${textOf(frame.colno)}`,
    );
  return lines.join('\n');
}
