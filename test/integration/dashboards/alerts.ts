/** Alert rules over the week: which fire, for whom and when; and that none does when nothing is the matter. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Firing, type RuleRow, RuleState } from '@weir/dashboards/alerts/evaluate';
import { type AlertRule, ruleOverSql, ruleSql } from '@weir/dashboards/alerts/rule';
import { ALERT_RULES } from '@weir/dashboards/alerts/rules';
import { expandQuery } from '@weir/dashboards/check/expand';
import { type Ask, runAll } from '@weir/dashboards/check/run';
import type { Week } from '@weir/dashboards/week/generate';
import type { Incident, IncidentName } from '@weir/dashboards/week/incidents';
import { fromKept, type TestWeek } from '@weir/test/harness/week';

/** Rules that must fire at each incident, with labels that must be among those of the firing. */
const EXPECTED: Readonly<Record<IncidentName, readonly [rule: string, labels: Record<string, string>][]>> = {
  'all-silent': [['measuring-blind', { cluster: 'weir' }]],
  'ingest-lag': [['ingest-lag', { cluster: 'weir' }]],
  'outbox-filling': [
    ['outbox-filling', { node: 'edge-06' }],
    ['telemetry-lost', { node: 'edge-06' }],
  ],
  'connection-spike': [
    ['connection-spike', { node: 'edge-07' }],
    ['connection-spike-cluster', { cluster: 'weir' }],
  ],
  drain: [],
  'cpu-full': [['cpu-full', { host: 'edge-14.example' }]],
  'dead-letters': [['dead-letters', { cluster: 'weir' }]],
  'limit-near': [['connections-near-limit', { node: 'edge-01' }]],
  'cluster-full': [
    ['cluster-near-limit', { cluster: 'weir' }],
    ['connections-near-limit', { node: 'edge-08' }],
  ],
  'node-dead': [['node-silent', { node: 'edge-12' }]],
  'clock-off': [['clock-off', { host: 'edge-05.example' }]],
  'origin-lost': [
    ['origin-lost', { node: 'origin-1' }],
    ['failover-slow', { cause: 'disconnected' }],
  ],
  'memory-full': [['memory-full', { host: 'edge-10.example' }]],
  'vrrp-split': [['vrrp-split', { vrrp_group: 'fra' }]],
  'address-lost': [
    ['vrrp-no-master', { vrrp_group: 'fra' }],
    ['director-missing', { vrrp_group: 'fra' }],
  ],
  'vrrp-flapping': [['vrrp-flapping', { vrrp_group: 'fra' }]],
  'no-servers': [['balancer-empty', { node: 'director-1', service: '203.0.113.10:1935' }]],
  'dns-group-down': [['dns-group-down', { name: 'live.example.org', address: '203.0.113.10' }]],
  'dns-failing': [['dns-failing', { node: 'dns-1', name: 'live.example.org' }]],
  'director-dead': [
    ['director-missing', { vrrp_group: 'fra' }],
    ['agent-silent', { node: 'director-2' }],
  ],
  'start-slow': [['viewers-start-slow', { scope: 'stream', subject: 'live/concert' }]],
  'delay-high': [['viewers-behind', { scope: 'edge', subject: 'edge-15' }]],
  'publisher-flapping': [
    ['publisher-flapping', { app: 'live', stream: 'news' }],
    ['viewers-stalling', { scope: 'stream', subject: 'live/news' }],
    ['viewers-with-stalls', { scope: 'stream', subject: 'live/news' }],
  ],
  'stream-orphaned': [['stream-orphaned', { app: 'sport', stream: 'final "2026"' }]],
  'edge-slow': [
    ['card-full', { host: 'edge-03.example' }],
    ['slow-viewers', { node: 'edge-03' }],
    ['event-loop-slow', { node: 'edge-03' }],
    ['viewers-stalling', { scope: 'edge', subject: 'edge-03' }],
    ['viewers-with-stalls', { scope: 'edge', subject: 'edge-03' }],
  ],
  'disk-full': [['disk-full', { host: 'edge-09.example' }]],
};

/** Rules that may fire at an incident too: what they see depends on the time of day. */
const POSSIBLE: Partial<Record<IncidentName, readonly [rule: string, labels: Record<string, string>][]>> = {
  // a stream that comes and goes is felt on the edges that carry much of it, a slow edge by the streams that are mostly there
  'publisher-flapping': [
    ['viewers-stalling', { scope: 'edge' }],
    ['viewers-with-stalls', { scope: 'edge' }],
  ],
  'edge-slow': [
    ['viewers-stalling', { scope: 'stream' }],
    ['viewers-with-stalls', { scope: 'stream' }],
  ],
  'cluster-full': [['connections-near-limit', {}]],
  'origin-lost': [
    ['viewers-stalling', {}],
    ['viewers-with-stalls', {}],
  ],
  'start-slow': [['viewers-start-slow', { scope: 'edge' }]],
};

/** What makes an incident one needs time: the third publish within ten minutes comes two minutes after the first. */
const EVIDENT_AFTER_MS: Readonly<Record<string, number>> = { 'publisher-flapping': 120_000 };

/** An alarm may outlast its cause: the last bad minute, the ten minutes the flapping rule looks back, the time a rule keeps firing. */
const AFTER_MS = 21 * 60_000;

/** Rules and incidents that are looked at at once. */
const AT_ONCE = 4;
/**
 * So much of the week is asked at once: what is read is read whole, so that few pieces are cheap. Rules of viewers put
 * ten windows around every minute, which for half a week would be much memory.
 */
const PIECE_SECONDS = { viewers: 129_600, others: 302_400 };

/** Registers the tests. */
export function testAlerts(get: () => TestWeek): void {
  describe('alert rules as sets over the week', () => {
    it('fire for every planted incident within two minutes, and for nothing else', async (t) => {
      const { ask, noisy } = get();
      const firings = await firingsOver(ask, noisy);
      for (const incident of noisy.incidents.values()) {
        for (const [rule, labels] of EXPECTED[incident.name]) {
          const found = firings.find(
            (firing) => firing.rule === rule && matches(firing, labels) && overlaps(firing, incident),
          );
          assert.ok(found, `${rule} did not fire for ${incident.name}`);
          const delay = found.fromSeconds - (incident.startMs + (EVIDENT_AFTER_MS[rule] ?? 0)) / 1_000;
          t.diagnostic(`${incident.name}: ${rule} after ${delay} s`);
          assert.ok(delay <= 120, `${rule} fired ${delay} s after ${incident.name} began`);
        }
      }
      assert.deepEqual(unexplained(firings, noisy), []);
    });

    it('raise not one alarm in a quiet week', async () => {
      const { askQuiet, quiet } = get();
      assert.deepEqual(await firingsOver(askQuiet, quiet), []);
    });
  });

  describe('alert rules minute by minute, with their very query', { concurrency: AT_ONCE }, () => {
    const own = (name: IncidentName) => new Set(EXPECTED[name].map(([rule]) => rule));
    for (const name of Object.keys(EXPECTED) as IncidentName[]) {
      it(`find ${name} within two minutes${own(name).size === 0 ? ': by nobody' : ''}`, async () => {
        const { ask, noisy } = get();
        const incident = noisy.incidents.get(name);
        assert.ok(incident);
        const rules =
          own(name).size === 0
            ? ALERT_RULES.filter((rule) => rule.name === 'node-silent')
            : ALERT_RULES.filter((rule) => own(name).has(rule.name));
        for (const rule of rules) {
          const firings = await simulate(ask, rule, incident);
          if (own(name).size === 0) {
            assert.deepEqual(firings, []);
            continue;
          }
          const [first] = firings;
          assert.ok(first, `${rule.name} did not fire`);
          const delay = first.fromSeconds - (incident.startMs + (EVIDENT_AFTER_MS[rule.name] ?? 0)) / 1_000;
          assert.ok(delay > 0 && delay <= 120, `${rule.name} fired after ${delay} s`);
        }
      });
    }
  });

  describe('a rule', () => {
    it('about what was lost sees it though it is told long after, and lets it rest after an hour', async () => {
      const { ask, noisy } = get();
      const incident = noisy.incidents.get('outbox-filling');
      const rule = ALERT_RULES.find(({ name }) => name === 'telemetry-lost');
      assert.ok(incident && rule);
      const lost = async (minutesAfter: number) => {
        const [row] = await askRule(ask, rule, incident.endMs + minutesAfter * 60_000);
        return Number(row?.value ?? 0);
      };
      assert.ok((await lost(30)) > 0);
      assert.equal(await lost(62), 0);
    });
    it('is never without an incident that it must find', () => {
      const proven = new Set(Object.values(EXPECTED).flatMap((rules) => rules.map(([name]) => name)));
      assert.deepEqual(
        ALERT_RULES.filter(({ name }) => !proven.has(name)).map(({ name }) => name),
        [],
      );
    });
    it('is an error, not good news, when ClickHouse is away', async () => {
      const { store } = get();
      const { connectAsk } = await import('@weir/dashboards/check/client');
      const wrong = connectAsk({ url: 'http://127.0.0.1:9', user: store.reader.name, password: '', database: 'weir' });
      try {
        for (const rule of ALERT_RULES) {
          assert.notEqual(rule.whenFailing as string, 'OK');
          await assert.rejects(askRule(wrong.ask, rule, Date.now()));
        }
      } finally {
        await wrong.close();
      }
      assert.deepEqual(
        ALERT_RULES.filter((rule) => rule.whenFailing === 'Alerting').map((rule) => rule.name),
        ['measuring-blind'],
      );
    });
    it('that watches the pipeline fires when there is nothing at all, the others do not', async () => {
      const { askEmpty, noisy } = get();
      for (const rule of ALERT_RULES) {
        const rows = await askRule(askEmpty, rule, noisy.endMs);
        assert.deepEqual(rows, [], rule.name);
      }
      assert.deepEqual(
        ALERT_RULES.filter((rule) => rule.whenEmpty === 'Alerting').map(({ name }) => name),
        ['measuring-blind'],
      );
    });
  });
}

async function askRule(ask: Ask, rule: AlertRule, atMs: number): Promise<RuleRow[]> {
  const sql = expandQuery(ruleSql(rule), { fromMs: atMs - 300_000, toMs: atMs, maxDataPoints: 1_000, variables: {} });
  return (await ask(sql)).rows as RuleRow[];
}

/** Every 30 s (every minute for the slower groups) from three minutes before to three after the incident's first five minutes. */
async function simulate(ask: Ask, rule: AlertRule, incident: Incident): Promise<Firing[]> {
  const state = new RuleState(rule);
  const from = incident.startMs - 120_000;
  const to = Math.min(incident.endMs, incident.startMs + 240_000);
  const every = rule.group === 'capacity' ? 60_000 : 30_000;
  for (let at = from; at <= to; at += every) state.evaluate(at / 1_000, await askRule(ask, rule, at));
  return state.finish(to / 1_000);
}

/** All firings of all rules over a week, one evaluation a minute; the week is asked piece by piece, the rules at once. */
async function firingsOver(ask: Ask, week: Week): Promise<Firing[]> {
  const from = week.startMs / 1_000 + 120;
  const to = week.endMs / 1_000;
  const firingsOf = async (rule: AlertRule): Promise<Firing[]> => {
    const byMinute = new Map<number, RuleRow[]>();
    const length = rule.name.startsWith('viewers-') ? PIECE_SECONDS.viewers : PIECE_SECONDS.others;
    for (let piece = from; piece < to; piece += length) {
      const { rows } = await ask(fromKept(ruleOverSql(rule, piece, Math.min(to, piece + length))));
      for (const row of rows as RuleRow[]) byMinute.set(Number(row.at), [...(byMinute.get(Number(row.at)) ?? []), row]);
    }
    const state = new RuleState(rule);
    // Minutes without a row matter too: they end what was pending or firing.
    for (let at = from; at <= to; at += 60) state.evaluate(at, byMinute.get(at) ?? []);
    return state.finish(to);
  };
  const tasks = ALERT_RULES.map((rule) => () => firingsOf(rule));
  return (await runAll(tasks, AT_ONCE)).flat();
}

function matches(firing: Firing, labels: Record<string, string>): boolean {
  return Object.entries(labels).every(([key, value]) => firing.labels[key] === value);
}

function overlaps(firing: Firing, incident: Incident): boolean {
  return firing.toSeconds * 1_000 > incident.startMs && firing.fromSeconds * 1_000 <= incident.endMs + AFTER_MS;
}

/** Firings that no incident explains: of another rule, of somebody else, or at another time. */
function unexplained(firings: readonly Firing[], week: Week): Firing[] {
  return firings.filter(
    (firing) =>
      ![...week.incidents.values()].some((incident) =>
        [...EXPECTED[incident.name], ...(POSSIBLE[incident.name] ?? [])].some(
          ([rule, labels]) => rule === firing.rule && matches(firing, labels) && overlaps(firing, incident),
        ),
      ),
  );
}
