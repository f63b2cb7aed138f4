// What the hubs of an app are made with, by the configuration.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadConfig } from '@weir/contracts/config/load';
import type { PartialConfig } from '@weir/contracts/config/schema';
import { Protocol } from '../rtmp/protocol.ts';
import { hubSettings } from './hub-settings.ts';

const protocol = new Protocol();
const built = (t: { after(fn: () => void): void }, stream: PartialConfig['stream']) => {
  const { clocks, settings } = hubSettings(loadConfig({ values: { stream: stream ?? {} } }), protocol);
  t.after(() => clocks.close());
  return { clocks, settings };
};

describe('settings of hubs', () => {
  it('give apps of low latency a clock of their own, and the others the usual one', (t) => {
    const { clocks, settings } = built(t, { lowLatencyApps: ['quick'], lowLatencyMs: 300 });
    assert.equal(settings('quick').clock, clocks.lowLatency);
    assert.equal(settings('quick').shortestMs, 300);
    assert.equal(settings('live').clock, clocks.usual);
    assert.equal(settings('live').shortestMs, undefined);
  });

  it('take * for all apps', (t) => {
    const { clocks, settings } = built(t, { lowLatencyApps: ['*'] });
    assert.equal(settings('any').clock, clocks.lowLatency);
  });

  it('keep the window of low latency at its minimum whatever the usual one is fixed to', (t) => {
    const { clocks } = built(t, { mergeWindowMinMs: 20, mergeWindowMaxMs: 350, lowLatencyWindowMaxMs: 50 });
    assert.deepEqual([clocks.usual.windowMs, clocks.lowLatency.windowMs], [20, 20]);
    clocks.setBounds({ minMs: 350, maxMs: 350 });
    assert.equal(clocks.lowLatency.windowMs, 20, 'it follows within a second, like the usual one');
  });

  it('refuse a window that is larger at least than at most', (t) => {
    assert.throws(() => built(t, { mergeWindowMinMs: 500 }), { code: 'EDGE_MERGE_WINDOW' });
    assert.equal(built(t, { mergeWindowMinMs: 500, mergeWindowMaxMs: 500 }).clocks.windowMs, 500);
  });

  it('refuse a speed at which nobody catches up', (t) => {
    assert.throws(() => built(t, { catchUpSpeed: 1 }), { code: 'EDGE_CATCH_UP_SPEED' });
  });
});
