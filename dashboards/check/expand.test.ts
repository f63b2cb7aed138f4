/** The expander does what Grafana and its ClickHouse plugin do, and refuses what it does not know. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { picked } from '../build/filters.ts';
import { expandQuery, percentEncode, type QueryContext, roundedIntervalMs } from './expand.ts';

const context: QueryContext = { fromMs: 1_000_000, toMs: 4_600_000, maxDataPoints: 200, variables: {} };

describe('expanding a query', () => {
  it('fills times, filter and interval', () => {
    const sql = 'SELECT $__interval_s, $__toTime - 60 FROM t WHERE $__timeFilter(c.time) AND a > $__fromTime';
    assert.equal(
      expandQuery(sql, context),
      'SELECT 20, toDateTime(4600) - 60 FROM t WHERE c.time >= toDateTime(1000) AND c.time <= toDateTime(4600) AND a > toDateTime(1000)',
    );
  });

  it('leaves names of macros and variables inside picked values alone', () => {
    const sql = expandQuery(picked('stream', 'stream'), {
      ...context,
      variables: { stream: ['$__toTime', `$\{node}`, "a'b\\"] },
    });
    assert.ok(sql.includes("'v=%24__toTime&v=%24%7Bnode%7D&v=a%27b%5C'"), sql);
  });

  it('makes All a text no name can be mistaken for', () => {
    assert.ok(expandQuery(picked('node', 'node'), context).startsWith("('*' IN ('*', '')"));
    assert.ok(
      expandQuery(picked('node', 'node'), { ...context, variables: { node: ['*'] } }).startsWith("('v=%2A' IN"),
    );
  });

  for (const sql of ['SELECT $__conditionalAll(a, $b)', `SELECT '$\{node}'`, `SELECT '$\{node:sqlstring}'`]) {
    it(`refuses ${sql}`, () => assert.throws(() => expandQuery(sql, context), { code: 'DASHBOARD_MACRO' }));
  }

  it('encodes everything but letters, digits and -_.~', () => {
    assert.match(percentEncode(`!'()*"\\ $&=+,;😀{}`), /^[A-Za-z0-9%\-_.~]+$/);
  });
});

describe("Grafana's rounding of an interval", () => {
  for (const [hours, points, seconds] of [
    [1, 200, 20],
    [6, 200, 120],
    [24, 200, 300],
    [168, 200, 3_600],
    [8_760, 200, 86_400],
  ] as const) {
    it(`shows ${hours} h on ${points} points every ${seconds} s`, () => {
      assert.equal(roundedIntervalMs((hours * 3_600_000) / points), seconds * 1_000);
    });
  }
});
