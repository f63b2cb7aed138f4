/** What each customer's app used, from known samples of two nodes: the view app_usage at every rollup level. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ClickHouseClient } from '@clickhouse/client';
import { createLogger } from '@weir/contracts/logger';
import { ROLLUPS } from '@weir/contracts/tables';
import { migrate } from '@weir/infra/clickhouse/migrate';
import { startTestStore, type TestStore } from '../harness/store.ts';

const SAMPLE_SECONDS = 5;
const HOUR_MS = 3_600_000;
/** A whole hour, some days ago: raw samples are kept for a week. */
const START_MS = Math.floor(Date.now() / (24 * HOUR_MS)) * 24 * HOUR_MS - 48 * HOUR_MS + 10 * HOUR_MS;

/** One series with its value at each sample of a stretch of minutes. */
interface Use {
  node: string;
  app: string;
  metric: string;
  direction?: string;
  fromMinute: number;
  minutes: number;
  value: number;
}

const use: Use[] = [
  // shop: 40 viewers on edge-a for 30 minutes, then 10 on edge-b for 60; its publisher on edge-a for the first 30.
  { node: 'edge-a', app: 'shop', metric: 'live.app.viewers', fromMinute: 0, minutes: 30, value: 40 },
  { node: 'edge-b', app: 'shop', metric: 'live.app.viewers', fromMinute: 0, minutes: 60, value: 10 },
  { node: 'edge-a', app: 'shop', metric: 'live.app.publishers', fromMinute: 0, minutes: 30, value: 1 },
  { node: 'edge-a', app: 'shop', metric: 'live.app.io', direction: 'receive', fromMinute: 0, minutes: 30, value: 500 },
  {
    node: 'edge-a',
    app: 'shop',
    metric: 'live.app.io',
    direction: 'transmit',
    fromMinute: 0,
    minutes: 30,
    value: 20_000,
  },
  {
    node: 'edge-b',
    app: 'shop',
    metric: 'live.app.io',
    direction: 'transmit',
    fromMinute: 0,
    minutes: 60,
    value: 5_000,
  },
  { node: 'edge-b', app: 'news', metric: 'live.app.viewers', fromMinute: 10, minutes: 1, value: 3 },
];

describe('what an app used', { timeout: 120_000 }, () => {
  let store: TestStore;
  let client: ClickHouseClient;
  const at = (ms: number) => new Date(ms).toISOString().replace('T', ' ').replace('Z', '');
  const rows = async (step: number) => {
    const answer = await client.query({
      query: `SELECT time, app, nodes, viewer_seconds, publisher_seconds, round(viewers, 3) AS viewers, viewers_max, bytes_in, bytes_out, round(bits_out) AS bits_out
        FROM weir.app_usage(from = {from:DateTime}, to = {to:DateTime}, step = {step:UInt32}) ORDER BY app DESC, time`,
      // A week begins up to seven days before.
      query_params: { from: (START_MS - 8 * 24 * HOUR_MS) / 1_000, to: (START_MS + HOUR_MS) / 1_000, step },
      format: 'JSONEachRow',
    });
    return answer.json<Record<string, string | number>>();
  };

  before(async () => {
    store = await startTestStore();
    client = store.client();
    const { name: user, password } = store.writer;
    const logger = createLogger('test', 'silent');
    await migrate({ url: store.url, user, password, database: 'weir', cluster: '', logger });
    const place = { cluster: 'c', site: 's', machine_id: 'm' };
    const series = use.map(({ node, metric, app, direction }, i) => ({
      ...place,
      node,
      metric,
      series_id: i + 1,
      kind: metric === 'live.app.io' ? 'counter' : 'gauge',
      unit: '1',
      attributes: { app, ...(direction ? { 'network.io.direction': direction } : {}) },
      last_seen: at(START_MS),
    }));
    await client.insert({ table: 'weir.metric_series', values: series, format: 'JSONEachRow' });
    const samples = use.flatMap(({ node, metric, fromMinute, minutes, value }, i) =>
      Array.from({ length: (minutes * 60) / SAMPLE_SECONDS }, (_, n) => ({
        ...place,
        node,
        metric,
        series_id: i + 1,
        time: at(START_MS + fromMinute * 60_000 + n * SAMPLE_SECONDS * 1_000),
        value,
      })),
    );
    await client.insert({ table: 'weir.metric_samples', values: samples, format: 'JSONEachRow' });
  });
  after(async () => {
    await client?.close();
    await store?.close();
  });

  it('is counted by the minute, all nodes together', async () => {
    const minutes = await rows(60);
    assert.equal(minutes.filter(({ app }) => app === 'shop').length, 60);
    const [first] = minutes;
    assert.deepEqual(first, {
      time: at(START_MS).slice(0, 19),
      app: 'shop',
      nodes: 2,
      viewer_seconds: 50 * 60,
      publisher_seconds: 60,
      viewers: 50,
      viewers_max: 50,
      bytes_in: 12 * 500,
      bytes_out: 12 * 25_000,
      bits_out: (12 * 25_000 * 8) / 60,
    });
    assert.deepEqual(
      minutes.filter(({ app }) => app === 'news').map(({ time, viewers }) => [time, viewers]),
      [[at(START_MS + 600_000).slice(0, 19), 3]],
    );
  });

  it('is the same at every level: hours of viewers, bytes, and means over the whole step', async () => {
    const viewerSeconds = 40 * 1_800 + 10 * 3_600;
    const bytesOut = 360 * 20_000 + 720 * 5_000;
    for (const { level, seconds } of ROLLUPS) {
      const found = (await rows(seconds)).filter(({ app }) => app === 'shop');
      const sum = (name: string) => found.reduce((total, row) => total + Number(row[name]), 0);
      assert.deepEqual(
        [sum('viewer_seconds'), sum('publisher_seconds'), sum('bytes_in'), sum('bytes_out')],
        [viewerSeconds, 1_800, 360 * 500, bytesOut],
        level,
      );
    }
    const [hour] = (await rows(3_600)).filter(({ app }) => app === 'shop');
    assert.deepEqual([hour?.viewers, hour?.viewers_max, hour?.nodes], [30, 50, 2]);
    // 3 viewers for one minute are 0.05 viewers of the hour.
    const [news] = (await rows(3_600)).filter(({ app }) => app === 'news');
    assert.deepEqual([news?.viewers, news?.viewers_max], [0.05, 3]);
  });
});
