/** OTLP in JSON, read as the specification says, and named by its path where it is not OTLP. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { otlpFromJson } from './json.ts';
import { type LogRecord, walkLogs } from './logs.ts';
import type { ExponentialPoint } from './metric-points.ts';
import { walkMetrics } from './metrics.ts';
import { OtlpError } from './wire.ts';

function metrics(metric: object): string {
  return JSON.stringify({ resourceMetrics: [{ scopeMetrics: [{ metrics: [metric] }] }] });
}

describe('OTLP in JSON', () => {
  it('takes 64-bit numbers as text or number and passes over names it does not know', () => {
    const values: number[] = [];
    const dataPoints = [{ asInt: '-5' }, { asInt: 7 }, { asDouble: 0.5, newField: { a: 1 } }, { asDouble: 'Infinity' }];
    const bytes = otlpFromJson(
      'metrics',
      metrics({ name: 'm', sum: { dataPoints, aggregationTemporality: 2, isMonotonic: true } }),
    );
    walkMetrics(bytes, {
      resource: () => true,
      metric: (head) => head.temporality === 2 && head.isMonotonic && head.points === 4,
      number: ({ value }) => values.push(value),
      histogram() {},
    });
    assert.deepEqual(values, [-5, 7, 0.5, Number.POSITIVE_INFINITY]);
  });

  it('keeps signed scales and offsets of exponential histograms', () => {
    const points: ExponentialPoint[] = [];
    const point = { count: '3', sum: 2, scale: -3, zeroCount: 1, negative: { offset: -9, bucketCounts: ['2', '300'] } };
    const bytes = otlpFromJson('metrics', metrics({ name: 'm', exponentialHistogram: { dataPoints: [point] } }));
    const visitor = { resource: () => true, metric: () => true, number() {}, histogram() {} };
    walkMetrics(bytes, { ...visitor, exponential: (seen) => points.push(seen) });
    const [{ count, scale, zeroCount, negative }] = points as [ExponentialPoint];
    assert.deepEqual(
      { count, scale, zeroCount, negative },
      { count: 3, scale: -3, zeroCount: 1, negative: { offset: -9, counts: [2, 300] } },
    );
  });

  it('keeps nested values of attributes and bodies', () => {
    const records: LogRecord[] = [];
    const body = {
      kvlistValue: {
        values: [{ key: 'a', value: { arrayValue: { values: [{ intValue: '1' }, { boolValue: true }] } } }],
      },
    };
    const request = {
      resourceLogs: [{ scopeLogs: [{ logRecords: [{ timeUnixNano: '1790000000000000000', body }] }] }],
    };
    walkLogs(otlpFromJson('logs', JSON.stringify(request)), {
      resource: () => true,
      record: (seen) => records.push(seen),
    });
    assert.deepEqual(records[0]?.body, { a: [1, true] });
    assert.equal(records[0]?.timeMs, 1_790_000_000_000);
  });

  it('says where it is not as it should be', () => {
    const wrong = (text: string, message: RegExp) =>
      assert.throws(
        () => otlpFromJson('metrics', text),
        (error: Error) => error instanceof OtlpError && message.test(error.message),
      );
    wrong('{', /not valid JSON/);
    wrong('[]', /no object at its top/);
    wrong('{"resourceMetrics":{}}', /no list at resourceMetrics/);
    wrong(metrics({ name: 7 }), /no text at resourceMetrics\[0\]\.scopeMetrics\[0\]\.metrics\[0\]\.name/);
    wrong(metrics({ sum: { dataPoints: [{ asInt: '1.5' }] } }), /no whole number at .*asInt/);
    wrong(metrics({ sum: { isMonotonic: 'yes' } }), /no true or false at .*isMonotonic/);
  });
});
