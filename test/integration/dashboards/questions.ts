/** The worked SQL questions: each is run as the user that only reads, on a week whose answers are known. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readQuestions } from '@weir/dashboards/check/questions';
import type { IncidentName } from '@weir/dashboards/week/incidents';
import type { TestWeek } from '@weir/test/harness/week';

type Row = Record<string, unknown>;
type Judge = (rows: Row[], week: TestWeek) => void | Promise<void>;

/** Which time each question is asked for, and what the answer must be. Times not given are the whole week. */
const ANSWERS: Readonly<Record<string, { at?: IncidentName; parameters?: Record<string, unknown>; judge: Judge }>> = {
  'who-was-watching-when-the-edge-died': {
    at: 'node-dead',
    parameters: { node: 'edge-12' },
    async judge(rows, { ask }) {
      const [truth] = (
        await ask(
          `SELECT count() AS n FROM connections WHERE node = 'edge-12' AND is_open AND role = 'viewer' AND opened_at < (SELECT min(time) FROM failovers WHERE cause = 'disconnected')`,
        )
      ).rows;
      const cut = sum(rows, 'cut_off');
      assert.equal(cut, Number(truth?.n));
      assert.ok(cut > 50 && cut === sum(rows, 'watching'), `${cut} of ${sum(rows, 'watching')}`);
    },
  },
  'which-subnet-opened-most-connections': {
    at: 'connection-spike',
    judge(rows) {
      assert.equal(rows[0]?.subnet, '203.0.113.0/24');
      assert.equal(rows[0]?.mostly_on, 'edge-07');
      assert.ok(Number(rows[0]?.mean_seconds) < 4);
    },
  },
  'peak-viewers-per-stream-and-day': {
    judge(rows) {
      const days = new Set(rows.map(({ day }) => day));
      assert.equal(days.size, 8);
      assert.equal(rows.length, 8 * 12);
      const [top] = rows.filter(({ day }) => day === [...days][3]);
      assert.deepEqual([top?.app, top?.stream], ['live', 'concert']);
    },
  },
  'slowest-edge-by-viewer': { judge: (rows) => assert.equal(rows[0]?.node, 'edge-03') },
  'cost-per-viewer-hour': {
    parameters: { price: 0.05 },
    judge([row]) {
      // 23 machines with memory, 169 hours begun, less what was away
      assert.ok(
        Number(row?.machine_hours) > 23 * 167 && Number(row?.machine_hours) <= 23 * 169,
        String(row?.machine_hours),
      );
      assert.ok(Math.abs(Number(row?.cost_per_viewer_hour) - Number(row?.cost) / Number(row?.viewer_hours)) < 1e-6);
    },
  },
  'session-length-95th-percentile': {
    judge(rows) {
      assert.equal(rows.length, 12);
      // sessions are exponential with a mean of 30 minutes, cut off at 14,000 s: median 1,248 s, 95th percentile 5,392 s
      const concert = rows.find(({ stream }) => stream === 'concert');
      assert.ok(Math.abs(Number(concert?.median_seconds) / 1_248 - 1) < 0.05, String(concert?.median_seconds));
      assert.ok(Math.abs(Number(concert?.p95_seconds) / 5_392 - 1) < 0.05, String(concert?.p95_seconds));
    },
  },
  'stalled-after-a-failover': {
    at: 'origin-lost',
    async judge(rows, { ask, noisy }) {
      // planted: two seconds after each long fail-over; the rest is what viewers have of their own
      const lost = noisy.incidents.get('origin-lost');
      const [truth] = (
        await ask(
          `SELECT count() AS n FROM viewer_measurements WHERE type = 'player.stall' AND values['buffer_before_ms'] = 240 AND time >= toDateTime(${seconds(lost?.startMs ?? 0)}) AND time < toDateTime(${seconds(lost?.endMs ?? 0)})`,
        )
      ).rows;
      const planted = Number(truth?.n);
      assert.ok(planted > 10 && sum(rows, 'stalls') >= planted, `${sum(rows, 'stalls')} of ${planted}`);
      assert.ok(sum(rows, 'stalls') <= planted * 1.1 + 5, `${sum(rows, 'stalls')} of ${planted}`);
      assert.ok(rows.length > 3);
    },
  },
  'edges-worst-for-viewers': {
    at: 'edge-slow',
    judge(rows) {
      assert.equal(rows[0]?.node, 'edge-03');
      assert.ok(Number(rows[0]?.card) > 0.9 && Number(rows[0]?.send_queue_mb) > 300, JSON.stringify(rows[0]));
      assert.ok(Number(rows[1]?.minutes_stalled) < Number(rows[0]?.minutes_stalled) / 10, JSON.stringify(rows[1]));
    },
  },
  'who-held-the-virtual-address': {
    judge(rows) {
      assert.deepEqual(
        rows.map(({ held_by, minutes }) => [held_by, Number(minutes)]),
        [
          ['director-1', 7 * 24 * 60 - 10 - 5 - 6],
          ['director-1 and director-2', 10],
          ['(nobody)', 5],
        ],
      );
    },
  },
  'worst-failovers': {
    judge(rows) {
      assert.equal(rows.length, 20);
      assert.ok(rows.every(({ cause, from_node }) => cause === 'disconnected' && from_node === 'origin-1'));
    },
  },
  'busiest-hours': {
    judge(rows) {
      assert.equal(rows.length, 24);
      assert.ok([19, 20].includes(Number(rows[0]?.hour)), String(rows[0]?.hour));
      assert.ok([7, 8].includes(Number(rows[23]?.hour)), String(rows[23]?.hour));
    },
  },
  'times-a-node-was-silent': {
    judge(rows) {
      assert.deepEqual(
        rows.map(({ node, seconds }) => [node, Number(seconds)]),
        [
          ['director-2', 1_800],
          ['edge-12', 2_400],
          ['origin-1', 600],
        ],
      );
    },
  },
  'bytes-per-customer-and-day': {
    judge(rows) {
      assert.ok(rows.length > 6 * 7);
      assert.equal(new Set(rows.map(({ app }) => app)).size, 7);
      assert.ok(rows.every(({ bytes }) => Number(bytes) > 0));
    },
  },
  'publishers-that-came-and-went': {
    judge(rows) {
      assert.deepEqual(
        rows.map(({ app, stream, most_in_ten_minutes }) => [app, stream, Number(most_in_ten_minutes)]),
        [['live', 'news', 9]],
      );
    },
  },
  'what-each-customer-used': {
    async judge(rows, { ask, noisy }) {
      assert.deepEqual(rows.map(({ app }) => app).toSorted(), [
        'evil',
        'kids',
        'live',
        'news',
        'radio',
        'shop',
        'sport',
      ]);
      // every viewer watches some app: the hours of all are those that the edges count
      const [truth] = (
        await ask(
          `SELECT sum(sum) * 5 / 3600 AS hours FROM metric_1h WHERE metric = 'live.connections' AND time < toDateTime(${seconds(noisy.endMs)}) AND series_id IN (SELECT series_id FROM series WHERE attributes['role'] = 'viewer')`,
        )
      ).rows;
      assert.ok(Math.abs(sum(rows, 'viewer_hours') / Number(truth?.hours) - 1) < 0.01, `of ${truth?.hours}`);
      assert.ok(rows.every((row) => Number(row.gigabytes_out) > 0 && Number(row.published_hours) > 0));
    },
  },
  'edges-that-wrote-too-long': {
    judge(rows) {
      assert.equal(rows[0]?.node, 'edge-03');
      assert.ok(Number(rows[0]?.longest_flush_seconds) > 0.06 && Number(rows[1]?.longest_flush_seconds) < 0.01);
      assert.ok(rows.every((row) => Number(row.widest_window_seconds) > 0.02));
    },
  },
  'cpu-per-thousand-viewers': {
    judge(rows) {
      // planted: 0.8 of a machine per thousand viewers; incidents and the shared machine bend single edges
      const quietEdge = rows.find(({ node }) => node === 'edge-02');
      assert.equal(rows.length, 18);
      assert.ok(Math.abs(Number(quietEdge?.cpu_per_thousand_viewers) - 0.8) < 0.05, JSON.stringify(quietEdge));
    },
  },
  'minutes-a-card-was-nearly-full': {
    parameters: { share: 0.9 },
    judge: (rows) =>
      assert.deepEqual(
        rows.map(({ host, minutes }) => [host, Number(minutes)]),
        [['edge-03.example', 20]],
      ),
  },
  'why-connections-end': {
    judge(rows) {
      const slow = rows.filter(({ reason }) => reason === 'slow-viewer').map(({ node }) => node);
      assert.deepEqual(slow, ['edge-03']);
      const attacked = rows.find(({ node, reason }) => node === 'edge-07' && reason === 'client-reset');
      const other = rows.find(({ node, reason }) => node === 'edge-08' && reason === 'client-reset');
      assert.ok(Number(attacked?.share) > 1.5 * Number(other?.share), `${attacked?.share} and ${other?.share}`);
    },
  },
  'unusual-minutes': {
    judge(rows) {
      assert.deepEqual(
        rows.map(({ where_, minutes }) => [where_, Number(minutes)]),
        [
          ['edge-07', 8],
          ['(whole cluster)', 8],
        ],
      );
    },
  },
  'which-streams-changed-hands': {
    judge(rows) {
      assert.deepEqual(
        rows.map(({ app, stream, change, cause, from_node, to_node }) => [
          app,
          stream,
          change,
          cause,
          from_node,
          to_node,
        ]),
        [
          ['live', 'tail\\', 'lost', 'taken', 'edge-17', 'edge-18'],
          ['live', 'tail\\', 'published', 'newest-wins', 'edge-17', 'edge-18'],
        ],
      );
    },
  },
  'what-happened-around': {
    at: 'origin-lost',
    parameters: { minutes: 5 },
    judge(rows) {
      assert.ok(rows.some(({ what, node }) => what === 'silent' && node === 'origin-1'));
      assert.ok(rows.filter(({ what }) => what === 'fail-over').length > 20);
      assert.ok(rows.some(({ what, node }) => what === 'node elected' && node === 'edge-02'));
    },
  },
};

/** Registers the tests. */
export function testQuestions(get: () => TestWeek): void {
  describe('the worked SQL questions', { concurrency: 4 }, () => {
    const questions = readQuestions();
    it('are at least fifteen, each with a known answer here', () => {
      assert.ok(questions.length >= 15);
      assert.deepEqual(questions.map(({ name }) => name).toSorted(), Object.keys(ANSWERS).toSorted());
    });
    for (const question of questions) {
      it(`answer: ${question.question}`, async (t) => {
        const week = get();
        const answer = ANSWERS[question.name];
        assert.ok(answer);
        const incident = answer.at === undefined ? undefined : week.noisy.incidents.get(answer.at);
        const values: Record<string, unknown> = {
          from: seconds(incident?.startMs ?? week.noisy.startMs),
          to: seconds(incident?.endMs ?? week.noisy.endMs),
          at: seconds(incident?.startMs ?? week.noisy.endMs),
          ...answer.parameters,
        };
        const used = Object.fromEntries(question.parameters.map(({ name }) => [name, values[name]]));
        const result = await week.ask(question.sql, used);
        t.diagnostic(`${result.elapsedMs.toFixed(0)} ms, ${result.rows.length} rows`);
        await answer.judge([...result.rows], week);
      });
    }
  });

  it('SQL in runbooks runs as it is printed', async () => {
    const folder = fileURLToPath(new URL('../../../dashboards/runbooks/', import.meta.url));
    const texts = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
    const queries = texts.flatMap((text) => [...text.matchAll(/`(SELECT [^`]+)`/g)].map(([, sql = '']) => sql));
    assert.ok(queries.length >= 5);
    for (const sql of queries) await get().askEmpty(sql);
  });

  describe('the user that only reads', () => {
    for (const sql of [
      'DROP TABLE weir.metric_1m',
      "INSERT INTO weir.node_marks VALUES (now(), 'a', 'b', 'retired', '')",
      'SELECT 1 SETTINGS readonly = 0',
      "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
    ]) {
      it(`is refused: ${sql.slice(0, 40)}`, () => assert.rejects(get().ask(sql)));
    }
    it('is stopped when a query returns too many rows', () =>
      assert.rejects(get().ask('SELECT number FROM numbers(20000000)')));
  });
}

function seconds(ms: number): number {
  return Math.floor(ms / 1_000);
}

function sum(rows: readonly Row[], column: string): number {
  return rows.reduce((total, row) => total + Number(row[column]), 0);
}
