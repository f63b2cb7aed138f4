/**
 * Puts a payload into as few messages as hold it: as it is, compressed, or cut between its items. Before it: the receiver,
 * which has checked it; after it: JetStream, whose messages have a bound that payloads (5 MiB, as with Grafana) may exceed.
 */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { type FaroPayload, isJson, tooLarge } from './payload.ts';

/** One message's payload. */
export interface FaroPiece {
  data: Uint8Array;
  gzip: boolean;
}

const compress = promisify(gzip);
const LISTS = ['logs', 'events', 'exceptions', 'measurements'] as const;

/**
 * Each piece is a payload by itself, with the same meta; cut in the same places whenever it is sent.
 * @param body the JSON that `payload` was read from.
 * @throws FaroPayloadError `FARO_TOO_LARGE` when a single item exceeds `maxBytes` even compressed.
 */
export async function piecesOf(payload: FaroPayload, body: Buffer, maxBytes: number): Promise<FaroPiece[]> {
  if (body.length <= maxBytes) return [{ data: body, gzip: false }];
  const packed = await compress(body);
  if (packed.length <= maxBytes) return [{ data: packed, gzip: true }];
  const halves = cut(payload);
  if (!halves) throw tooLarge(maxBytes);
  const pieces: FaroPiece[] = [];
  for (const half of halves) pieces.push(...(await piecesOf(half, Buffer.from(JSON.stringify(half)), maxBytes)));
  return pieces;
}

/** Two payloads with half of the items each; undefined when there is but one item. */
function cut(payload: FaroPayload): [FaroPayload, FaroPayload] | undefined {
  const { resourceSpans } = payload.traces;
  const spans = Array.isArray(resourceSpans) ? resourceSpans.filter(isJson) : [];
  const count = LISTS.reduce((sum, name) => sum + payload[name].length, spans.length);
  if (count < 2) return undefined;
  const half = Math.ceil(count / 2);
  return [part(payload, spans, 0, half), part(payload, spans, half, count)];
}

/** The items from number `from` to before `to`, counted through all lists. */
function part(payload: FaroPayload, spans: readonly unknown[], from: number, to: number): FaroPayload {
  let before = 0;
  const take = (list: readonly unknown[]) => {
    const taken = list.slice(Math.max(0, from - before), Math.max(0, to - before));
    before += list.length;
    return taken;
  };
  const [logs = [], events = [], exceptions = [], measurements = []] = LISTS.map((name) => take(payload[name]));
  return { meta: payload.meta, logs, events, exceptions, measurements, traces: { resourceSpans: take(spans) } };
}
