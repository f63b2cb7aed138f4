/** Figures are told in steps that mean something, and what is counted stays true. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  AggregationTemporality,
  DataPointType,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { createInstruments, inSteps } from './instruments.ts';

describe('steps of figures', () => {
  it('are exact decimals', () => {
    assert.equal(inSteps(0.126_506_024_096_394_97, 0.0001), 0.1265);
    assert.equal(inSteps(2.399_999_999_999_636, 0.01), 2.4);
    assert.equal(inSteps(851_311.496, 100), 851_300);
    assert.equal(inSteps(-7.25, 0.0001), -7.25);
  });

  it('lose nothing of a counter, and are taken of gauges with a resolution only', async () => {
    const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
    const provider = new MeterProvider({ readers: [reader] });
    const measure = createInstruments(provider.getMeter('test'));
    for (let i = 0; i < 1_000; i++) measure('process.cpu.time', 0.000_033, { 'cpu.mode': 'user' });
    measure('process.cpu.utilization', 0.018_301_093_884_841_24);
    measure('live.merge.window', 0.123_456_789);
    await reader.forceFlush();
    const values = new Map(
      exporter
        .getMetrics()
        .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
        .filter(({ dataPointType }) => dataPointType !== DataPointType.HISTOGRAM)
        .map(({ descriptor, dataPoints }) => [descriptor.name, Number(dataPoints[0]?.value)]),
    );
    await provider.shutdown();
    assert.ok(Math.abs((values.get('process.cpu.time') ?? 0) - 0.033) < 0.000_1);
    assert.equal(values.get('process.cpu.utilization'), 0.0183);
    assert.equal(values.get('live.merge.window'), 0.123_456_789);
  });
});
