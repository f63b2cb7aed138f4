/**
 * A Faro payload as browsers send it, checked just as far as a receiver must: JSON, an object, lists where lists belong.
 * Before it: an HTTP body, or a message of JetStream; after it: JetStream, or rows.
 */
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { errorCode, WeirError } from '@weir/contracts/errors';

/** Any JSON object. */
export type Json = { readonly [key: string]: unknown };

/** Lists are as the page sent them: every item has to be looked at before use. */
export interface FaroPayload {
  meta: Json;
  logs: readonly unknown[];
  events: readonly unknown[];
  exceptions: readonly unknown[];
  measurements: readonly unknown[];
  /** OTLP in JSON, or an empty object. */
  traces: Json;
}

const inflate = promisify(gunzip);
const LISTS = ['logs', 'events', 'exceptions', 'measurements'] as const;

/** What cannot be used. */
export class FaroPayloadError extends WeirError {}

/** The body behind `Content-Encoding: gzip`. @throws FaroPayloadError `FARO_TOO_LARGE`, `FARO_GZIP`. */
export async function unzipped(body: Buffer, maxBytes: number): Promise<Buffer> {
  try {
    return await inflate(body, { maxOutputLength: maxBytes });
  } catch (error) {
    if (errorCode(error) === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxBytes);
    throw new FaroPayloadError('FARO_GZIP', 'The body is not valid gzip.', { cause: error });
  }
}

/** The error of a payload over the limit. */
export function tooLarge(maxBytes: number): FaroPayloadError {
  return new FaroPayloadError('FARO_TOO_LARGE', `The payload is larger than ${maxBytes} bytes.`);
}

/** @throws FaroPayloadError `FARO_JSON`. */
export function parseFaroPayload(bytes: Buffer): FaroPayload {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new FaroPayloadError('FARO_JSON', 'The payload is not valid JSON.', { cause: error });
  }
  if (!isJson(value)) throw new FaroPayloadError('FARO_JSON', 'The payload is no JSON object.');
  for (const name of LISTS) {
    const list = value[name];
    if (list !== undefined && list !== null && !Array.isArray(list)) {
      throw new FaroPayloadError('FARO_JSON', `"${name}" of the payload is no list.`);
    }
  }
  const list = (name: (typeof LISTS)[number]) => (value[name] ?? []) as readonly unknown[];
  return {
    meta: asJson(value.meta),
    logs: list('logs'),
    events: list('events'),
    exceptions: list('exceptions'),
    measurements: list('measurements'),
    traces: asJson(value.traces),
  };
}

/** Whether `value` is a JSON object. */
export function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `value` if it is an object, else an empty one. */
export function asJson(value: unknown): Json {
  return isJson(value) ? value : {};
}
