/** Our OTLP decoder against OpenTelemetry's own serializers, and against bytes that were damaged in every place. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Attributes, attributeText, readAttributes } from '@weir/contracts/otlp/attributes';
import { type LogRecord, walkLogs } from '@weir/contracts/otlp/logs';
import type { HistogramPoint, MetricHead, NumberPoint } from '@weir/contracts/otlp/metric-points';
import { attributesField, walkMetrics } from '@weir/contracts/otlp/metrics';
import { nanosToMillis, OtlpError, WireReader } from '@weir/contracts/otlp/wire';
import { logsPayload, metricsPayload, type Sender } from '@weir/test/harness/otlp-sender';

const SENDER: Sender = { node: 'edge-1', resource: { 'process.pid': 42, 'host.cpu.model.name': ['A', 'B'] } };
const TIME = 1_763_837_315_040;

interface Seen {
  resources: Attributes[];
  heads: MetricHead[];
  numbers: { value: number; timeMs: number; isEmpty: boolean; attributes: Record<string, string> }[];
  histograms: HistogramPoint[];
}

function walk(bytes: Uint8Array): Seen {
  const seen: Seen = { resources: [], heads: [], numbers: [], histograms: [] };
  let field = 0;
  const attributesOf = (point: NumberPoint | HistogramPoint) => {
    const reader = new WireReader(point.source.subarray(point.start, point.end));
    return Object.fromEntries(
      [...readAttributes(reader, reader.length, field)].map(([name, value]) => [name, attributeText(value)]),
    );
  };
  walkMetrics(bytes, {
    resource(raw) {
      const reader = new WireReader(raw);
      seen.resources.push(readAttributes(reader, reader.length, 1));
      return true;
    },
    metric(head) {
      seen.heads.push({ ...head });
      field = attributesField(head.kind);
      return true;
    },
    number(point) {
      const { value, isEmpty } = point;
      seen.numbers.push({
        value,
        isEmpty,
        timeMs: nanosToMillis(point.timeLow, point.timeHigh),
        attributes: attributesOf(point),
      });
    },
    histogram: (point) => seen.histograms.push({ ...point }),
  });
  return seen;
}

const field = (number: number, ...content: (number[] | Uint8Array)[]): number[] => {
  const bytes = content.flatMap((part) => [...part]);
  assert.ok(bytes.length < 128);
  return [number * 8 + 2, bytes.length, ...bytes];
};
const text = (number: number, value: string) => field(number, Buffer.from(value));
const fixed64 = (number: number, value: bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return [number * 8 + 1, ...bytes];
};
const keyValue = (number: number, key: string, value: string) => field(number, text(1, key), field(2, text(1, value)));

describe('the metrics decoder', () => {
  it('reads what OpenTelemetry writes: gauges, sums, histograms and their attributes', () => {
    const bytes = metricsPayload(
      SENDER,
      [
        {
          metric: 'a.gauge',
          kind: 'gauge',
          value: -1.5,
          timeMs: TIME,
          unit: 'By',
          attributes: { name: 'ä', count: 3, flag: true },
        },
        { metric: 'a.counter', kind: 'counter', value: 7, timeMs: TIME + 1, attributes: { n: 1 } },
        { metric: 'a.counter', kind: 'counter', value: 8, timeMs: TIME + 2 },
        { metric: 'a.total', kind: 'cumulative', value: 9, timeMs: TIME },
      ],
      [{ metric: 'a.histogram', timeMs: TIME, bounds: [1, 2], counts: [3, 0, 4], sum: 12.5, min: 0.5, max: 9 }],
    );
    const { resources, heads, numbers, histograms } = walk(bytes);
    assert.equal(resources[0]?.get('process.pid'), 42);
    assert.deepEqual(resources[0]?.get('host.cpu.model.name'), ['A', 'B']);
    assert.deepEqual(heads, [
      { name: 'a.gauge', unit: 'By', kind: 'gauge', temporality: 0, isMonotonic: false, points: 1 },
      { name: 'a.counter', unit: '', kind: 'sum', temporality: 1, isMonotonic: true, points: 2 },
      { name: 'a.total', unit: '', kind: 'sum', temporality: 2, isMonotonic: true, points: 1 },
      { name: 'a.histogram', unit: 's', kind: 'histogram', temporality: 1, isMonotonic: false, points: 1 },
    ]);
    assert.deepEqual(numbers, [
      { value: -1.5, isEmpty: false, timeMs: TIME, attributes: { name: 'ä', count: '3', flag: 'true' } },
      { value: 7, isEmpty: false, timeMs: TIME + 1, attributes: { n: '1' } },
      { value: 8, isEmpty: false, timeMs: TIME + 2, attributes: {} },
      { value: 9, isEmpty: false, timeMs: TIME, attributes: {} },
    ]);
    const { count, sum, min, max, bounds, counts } = histograms[0] as HistogramPoint;
    assert.deepEqual(
      { count, sum, min, max, bounds, counts },
      { count: 7, sum: 12.5, min: 0.5, max: 9, bounds: [1, 2], counts: [3, 0, 4] },
    );
  });

  it('reads what the format allows though nobody writes it: any order, unknown fields, attributes apart, integers, no value', () => {
    const nanos = BigInt(TIME) * 1_000_000n;
    const apart = field(
      1,
      keyValue(7, 'a', '1'),
      fixed64(3, nanos),
      [0x58, 1],
      keyValue(7, 'b', '2'),
      fixed64(6, 2n ** 64n - 5n),
    );
    const noValue = field(1, fixed64(3, nanos), fixed64(4, 0n), [0x40, 1]);
    const metric = field(
      2,
      field(7, [0x18, 1], apart, noValue, [0x10, 1]),
      text(3, 's'),
      text(13, 'unknown'),
      text(1, 'odd'),
    );
    const bytes = Uint8Array.from(field(1, [0x7a, 1, 0], field(2, metric), field(1, keyValue(1, 'who', 'me'))));
    const { resources, heads, numbers } = walk(bytes);
    assert.equal(resources[0]?.get('who'), 'me');
    assert.deepEqual(heads, [{ name: 'odd', unit: 's', kind: 'sum', temporality: 1, isMonotonic: true, points: 2 }]);
    assert.deepEqual(numbers, [
      { value: -5, isEmpty: false, timeMs: TIME, attributes: { a: '1', b: '2' } },
      { value: 0, isEmpty: true, timeMs: TIME, attributes: {} },
    ]);
  });

  it('ends in nothing but its own error when bytes are cut off, flipped or random', () => {
    const good = metricsPayload(
      SENDER,
      [{ metric: 'a.gauge', kind: 'gauge', value: 1, timeMs: TIME, attributes: { a: 'b' } }],
      [{ metric: 'a.histogram', timeMs: TIME, bounds: [1], counts: [1, 2], sum: 3 }],
    );
    survives(good, (bytes) => void walk(bytes));
  });

  it('does not believe lengths: a histogram that claims millions of buckets in a few bytes', () => {
    const claims = [0x0a, 0x80, 0x80, 0x80, 0x80, 0x01];
    assert.throws(() => walk(Uint8Array.from(claims)), OtlpError);
    const nested = field(1, field(2, field(2, field(9, field(1, [0x32, 0xff, 0xff, 0xff, 0x7f, 1, 2, 3])))));
    assert.throws(() => walk(Uint8Array.from(nested)), OtlpError);
  });

  it('refuses values nested without end', () => {
    let value = text(1, 'x');
    for (let depth = 0; depth < 20; depth++) value = field(5, field(1, value));
    const bytes = Uint8Array.from(field(1, field(1, field(1, text(1, 'k'), field(2, value)))));
    assert.throws(() => walk(bytes), OtlpError);
  });
});

describe('the logs decoder', () => {
  const records = (bytes: Uint8Array): LogRecord[] => {
    const found: LogRecord[] = [];
    walkLogs(bytes, { resource: () => true, record: (record) => found.push(record) });
    return found;
  };
  const good = logsPayload(SENDER, [
    { timeMs: TIME, eventName: 'live.connection.opened', attributes: { 'client.port': 1935, ok: true, share: 0.5 } },
    { timeMs: TIME + 5, body: 'words', severityNumber: 17 },
  ]);

  it('reads what OpenTelemetry writes', () => {
    const [event, log] = records(good) as [LogRecord, LogRecord];
    assert.equal(event.eventName, 'live.connection.opened');
    assert.equal(event.timeMs, TIME);
    assert.deepEqual(Object.fromEntries(event.attributes), { 'client.port': 1_935, ok: true, share: 0.5 });
    assert.deepEqual([log.body, log.severityNumber, log.timeMs], ['words', 17, TIME + 5]);
  });

  it('ends in nothing but its own error when bytes are cut off, flipped or random', () => {
    survives(good, (bytes) => void records(bytes));
  });
});

/** Every prefix of `good`, every byte of it changed in several ways, and random bytes: only OtlpError may come out. */
function survives(good: Uint8Array, decode: (bytes: Uint8Array) => void): void {
  const tries: Uint8Array[] = [];
  for (let length = 0; length < good.length; length++) tries.push(good.slice(0, length));
  for (let at = 0; at < good.length; at++) {
    for (const mask of [0x01, 0x07, 0x08, 0x7f, 0x80, 0xff]) {
      const bytes = good.slice();
      bytes[at] = (bytes[at] as number) ^ mask;
      tries.push(bytes);
    }
  }
  let state = 1;
  for (let count = 0; count < 2_000; count++) {
    tries.push(
      Uint8Array.from({ length: count % 64 }, () => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
        return state >>> 24;
      }),
    );
  }
  let refused = 0;
  for (const bytes of tries) {
    try {
      decode(bytes);
    } catch (error) {
      if (!(error instanceof OtlpError)) throw error;
      refused++;
    }
  }
  assert.ok(refused > tries.length / 4, `only ${refused} of ${tries.length} damaged payloads were refused`);
}
