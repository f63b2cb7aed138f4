/**
 * Splits one OTLP request into messages of one sender each, none too large for NATS, and counts what can't be taken. Works
 * on the raw bytes: metrics and logs have the same three levels (resource, scope, item). Before it: the receiver; after
 * it: JetStream.
 */
import { readAttributes } from '@weir/contracts/otlp/attributes';
import { walkLogs } from '@weir/contracts/otlp/logs';
import type { MetricHead, PointBase } from '@weir/contracts/otlp/metric-points';
import { TEMPORALITY, walkMetrics } from '@weir/contracts/otlp/metrics';
import { nanosToMillis, WIRE, WireReader } from '@weir/contracts/otlp/wire';
import { WireWriter } from '@weir/contracts/otlp/wire-writer';
import { TimeWindow } from '../decode/time-window.ts';
import { namedResource, senderNode } from './sender.ts';

/** A part of a request that goes to JetStream as one message. */
export interface OtlpMessage {
  node: string;
  payload: Buffer;
}

/** What a request comes to. */
export interface SplitRequest {
  messages: OtlpMessage[];
  /** Data points or log records that are not taken. */
  rejected: number;
  /** Why, one sentence each. */
  reasons: Set<string>;
}

/** Bytes of a message that are not its items: resource, scope, tags. */
const FRAME_BYTES = 64;
/** Said here by the time it comes in; decided by the time JetStream stores it, a moment later. */
const ASTRAY = 'A time is missing, more than 8 days ago or more than an hour ahead.';

/**
 * @param maxBytes of one message.
 * @throws OtlpError when the request is broken anywhere: nothing of it is to be taken then.
 */
export function splitRequest(
  signal: 'metrics' | 'logs',
  bytes: Buffer,
  sender: string,
  maxBytes: number,
): SplitRequest {
  const result: SplitRequest = { messages: [], rejected: 0, reasons: new Set() };
  check(signal, bytes, result);
  const reader = new WireReader(bytes);
  for (let field = reader.field(reader.length); field !== 0; field = reader.field(reader.length)) {
    if (field !== 1) reader.skip(reader.length);
    else splitResource(signal, bytesOf(reader, reader.length), sender, maxBytes, result);
  }
  return result;
}

/** Reads all of it once, so that what JetStream keeps can be decoded, and says what will be left out then. */
function check(signal: 'metrics' | 'logs', bytes: Buffer, result: SplitRequest): void {
  const window = new TimeWindow(Date.now());
  const refuse = (items: number, reason: string) => {
    result.rejected += items;
    result.reasons.add(reason);
  };
  if (signal === 'logs') {
    walkLogs(bytes, {
      resource: () => true,
      // one without a time is of now
      record({ timeMs }) {
        if (timeMs !== 0 && !window.holds(timeMs)) refuse(1, ASTRAY);
      },
    });
    return;
  }
  const point = (read: PointBase, figure: number) => {
    // the sender itself says that it has no value
    if (read.isEmpty) return;
    if (!Number.isFinite(figure)) refuse(1, 'A value is not a finite number.');
    else if (!window.holds(nanosToMillis(read.timeLow, read.timeHigh))) refuse(1, ASTRAY);
  };
  walkMetrics(bytes, {
    resource: () => true,
    metric(head) {
      const reason = unusable(head);
      // of a kind that is not known, its points neither
      if (reason !== undefined) refuse(Math.max(1, head.points), reason);
      return reason === undefined;
    },
    number: (read) => point(read, read.value),
    histogram: (read) => point(read, read.sum),
    exponential: (read) => point(read, read.sum),
    summary: (read) => point(read, read.sum),
  });
}

/** Why no point of a metric can be stored. */
function unusable({ name, kind, temporality }: MetricHead): string | undefined {
  const shown = JSON.stringify(name.slice(0, 63));
  if (name === '') return 'A metric has no name.';
  if (kind === 'none') return `The metric ${shown} is of a kind that is not known.`;
  if (kind === 'gauge' || kind === 'summary' || temporality !== TEMPORALITY.unspecified) return undefined;
  return `The ${kind} ${shown} does not say whether it is cumulative or delta.`;
}

function splitResource(
  signal: 'metrics' | 'logs',
  whole: Buffer,
  sender: string,
  maxBytes: number,
  result: SplitRequest,
): void {
  const { single: resource = Buffer.alloc(0), many: scopes } = parts(whole);
  const attributeReader = new WireReader(resource);
  const attributes = readAttributes(attributeReader, attributeReader.length, 1);
  const node = senderNode(sender, attributes);
  if (node === undefined) {
    const items = scopes.flatMap((scope) => parts(scope).many);
    reject(result, signal, items, 'A resource has neither service.instance.id nor service.name nor host.name.');
    return;
  }
  const named = namedResource(resource, node, sender, attributes);
  let group: Buffer[] = [];
  let size = named.length + FRAME_BYTES;
  const flush = () => {
    if (group.length === 0) return;
    const inner = new WireWriter().bytes(1, named);
    for (const scope of group) inner.bytes(2, scope);
    result.messages.push({ node, payload: new WireWriter().bytes(1, inner.finish()).finish() });
    group = [];
    size = named.length + FRAME_BYTES;
  };
  const add = (scope: Buffer) => {
    if (size + scope.length + FRAME_BYTES > maxBytes) flush();
    group.push(scope);
    size += scope.length + FRAME_BYTES;
  };
  const room = maxBytes - named.length - 3 * FRAME_BYTES;
  for (const scope of scopes) {
    if (scope.length <= room) add(scope);
    else for (const piece of splitScope(signal, scope, room, result)) add(piece);
  }
  flush();
}

/** A scope in pieces of at most `room` bytes. */
function splitScope(signal: 'metrics' | 'logs', scope: Buffer, room: number, result: SplitRequest): Buffer[] {
  const { single: head, many: items } = parts(scope);
  const pieces: Buffer[] = [];
  let writer = new WireWriter();
  let size = 0;
  const begin = () => {
    writer = new WireWriter();
    if (head) writer.bytes(1, head);
    size = head?.length ?? 0;
  };
  begin();
  let isEmpty = true;
  for (const item of items) {
    if (item.length + (head?.length ?? 0) + FRAME_BYTES > room) {
      reject(result, signal, [item], `One metric or log record is larger than ${room} bytes: send smaller batches.`);
      continue;
    }
    if (!isEmpty && size + item.length + FRAME_BYTES > room) {
      pieces.push(writer.finish());
      begin();
      isEmpty = true;
    }
    writer.bytes(2, item);
    size += item.length + FRAME_BYTES / 4;
    isEmpty = false;
  }
  if (!isEmpty) pieces.push(writer.finish());
  return pieces;
}

function reject(result: SplitRequest, signal: 'metrics' | 'logs', items: readonly Buffer[], reason: string): void {
  for (const item of items) result.rejected += signal === 'logs' ? 1 : pointsOf(item);
  if (items.length > 0) result.reasons.add(reason);
}

/** Points of a Metric message: fields 1 of its data. */
function pointsOf(metric: Buffer): number {
  const reader = new WireReader(metric);
  let points = 0;
  for (let field = reader.field(reader.length); field !== 0; field = reader.field(reader.length)) {
    if (field < 5 || reader.wireType !== WIRE.bytes) {
      reader.skip(reader.length);
      continue;
    }
    const end = reader.bytesEnd(reader.length);
    for (let inner = reader.field(end); inner !== 0; inner = reader.field(end)) {
      if (inner === 1) points++;
      reader.skip(end);
    }
  }
  return points;
}

/** Field 1 (the last one counts) and all fields 2 of a message. */
function parts(message: Buffer): { single: Buffer | undefined; many: Buffer[] } {
  const reader = new WireReader(message);
  let single: Buffer | undefined;
  const many: Buffer[] = [];
  for (let field = reader.field(reader.length); field !== 0; field = reader.field(reader.length)) {
    if (field === 1) single = bytesOf(reader, reader.length);
    else if (field === 2) many.push(bytesOf(reader, reader.length));
    else reader.skip(reader.length);
  }
  return { single, many };
}

function bytesOf(reader: WireReader, end: number): Buffer {
  reader.expect(WIRE.bytes);
  const bytesEnd = reader.bytesEnd(end);
  const bytes = reader.bytes.subarray(reader.pos, bytesEnd);
  reader.pos = bytesEnd;
  return bytes;
}
