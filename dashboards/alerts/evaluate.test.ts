/** The states of a rule: pending until its time is over, firing, kept for a while, ended, per set of labels. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RuleState } from './evaluate.ts';
import { ALERT_RULES } from './rules.ts';

const base = ALERT_RULES.find(({ name }) => name === 'cpu-full');
const bad = (host: string) => [{ cluster: 'c', host, value: 0.95 }];

describe('a rule', () => {
  assert.ok(base);
  const rule = { ...base, forMinutes: 1, keepMinutes: 2 };

  it('is pending for its time, fires, and stays for a while after the last time', () => {
    const state = new RuleState(rule);
    for (const at of [0, 60, 120]) state.evaluate(at, bad('a'));
    for (const at of [180, 240, 300]) state.evaluate(at, []);
    const labels = { cluster: 'c', host: 'a' };
    assert.deepEqual(state.finish(600), [{ rule: 'cpu-full', labels, fromSeconds: 60, toSeconds: 240 }]);
  });

  it('never fires for what is over before its time', () => {
    const state = new RuleState(rule);
    state.evaluate(0, bad('a'));
    state.evaluate(60, []);
    state.evaluate(120, bad('a'));
    assert.deepEqual(state.finish(180), []);
  });

  it('follows each set of labels by itself and takes no notice of figures below the threshold, or none', () => {
    const state = new RuleState(rule);
    for (const at of [0, 60]) {
      state.evaluate(at, [
        ...bad('a'),
        { cluster: 'c', host: 'b', value: rule.above },
        { cluster: 'c', host: 'd', value: null },
      ]);
    }
    assert.deepEqual(
      state.finish(60).map(({ labels }) => labels.host),
      ['a'],
    );
  });
});
