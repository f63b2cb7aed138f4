/** Browsers' measurements from HTTP to rows, with the real parts: the receiver's answers, and what is in the tables then. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { faroMeasurement, faroPayload } from '@weir/test/harness/faro-payload';
import type { TestIngest } from '@weir/test/harness/ingest';
import { type IngestPipeline, startIngestPipeline } from '@weir/test/harness/ingest-pipeline';
import type { TestPipeline } from '@weir/test/harness/pipeline';
import { eventually } from '@weir/test/harness/wait';

const KEY = 'page-key-1';
const MAX_BODY_BYTES = 1_048_576;
const RATE_PER_KEY = 100;

interface Sent {
  headers?: Record<string, string>;
  key?: string | null;
  query?: string;
}

describe('the Faro receiver', () => {
  let whole: IngestPipeline;
  let pipeline: TestPipeline;
  let ingest: TestIngest;
  let number = 0;

  /** Posts `body`; each payload has an id of its own unless told otherwise. */
  const post = (body: string | Buffer | object, { headers = {}, key = KEY, query = '' }: Sent = {}) =>
    fetch(`${ingest.url}/faro/collect${query}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'idempotency-key': `id-${number++}`,
        ...(key === null ? {} : { 'x-api-key': key }),
        ...headers,
      },
      body: typeof body === 'string' ? body : Buffer.isBuffer(body) ? new Uint8Array(body) : JSON.stringify(body),
    });

  before(async () => {
    whole = await startIngestPipeline({
      faro: {
        keys: [`page=${KEY}`, 'other=page-key-2'],
        origins: ['https://tv.example'],
        maxBodyBytes: MAX_BODY_BYTES,
        ratePerAddress: 0,
        ratePerKey: RATE_PER_KEY,
        trustProxy: true,
      },
    });
    ({ pipeline, ingest } = whole);
  });
  after(() => whole?.close());

  it('keeps measurements, events, logs, exceptions and spans with session, page and browser', async () => {
    const startedAtMs = Date.now();
    const timestamp = new Date(startedAtMs).toISOString();
    const answer = await post(
      faroPayload('all-1', {
        measurements: [faroMeasurement('all')],
        events: [{ name: 'player.error', timestamp, attributes: { app: 'live', stream: 'all', code: 'PLAYER_FULL' } }],
        logs: [{ level: 'warn', message: 'slow', timestamp, context: { part: 'ui' } }],
        exceptions: [
          {
            type: 'TypeError',
            value: 'x is no function',
            timestamp,
            stacktrace: { frames: [{ function: 'play', filename: 'a.js', lineno: 3, colno: 7 }] },
          },
        ],
        traces: {
          resourceSpans: [
            {
              scopeSpans: [
                {
                  spans: [
                    {
                      traceId: 'aa',
                      spanId: 'bb',
                      name: 'GET',
                      startTimeUnixNano: `${startedAtMs}000000`,
                      endTimeUnixNano: `${startedAtMs + 25}000000`,
                      status: { code: 2 },
                      attributes: [{ key: 'http.status_code', value: { intValue: '503' } }],
                    },
                  ],
                },
              ],
            },
          ],
        },
      }),
      { headers: { 'x-forwarded-for': '203.0.113.77' } },
    );
    assert.equal(answer.status, 202);
    const [measured] = await eventually(
      () => pipeline.rows("SELECT * FROM viewer_measurements WHERE session_id = 'all-1'"),
      (rows) => rows.length === 1,
    );
    assert.equal(measured?.node, 'edge-1');
    assert.equal(measured?.stream, 'all');
    assert.equal(measured?.cluster, 'weir');
    assert.equal(measured?.browser, 'Chrome 156');
    assert.equal(measured?.values, '{"total_ms":412.5}');
    assert.deepEqual(JSON.parse(measured?.context ?? ''), {
      connection: 'c-1',
      transport: 'ws-flv',
      'client.subnet': '203.0.113.0/24',
    });
    const events = await eventually(
      () =>
        pipeline.rows(
          "SELECT kind, name, message, attributes, page_url FROM viewer_events WHERE session_id = 'all-1' ORDER BY kind",
        ),
      (rows) => rows.length === 3,
    );
    assert.deepEqual(
      events.map(({ kind, name, message }) => [kind, name, message]),
      [
        ['event', 'player.error', ''],
        ['exception', 'TypeError', 'x is no function'],
        ['log', 'warn', 'slow'],
      ],
    );
    assert.match(events[1]?.attributes ?? '', /play a\.js:3:7/);
    // Tables of a batch are written one after the other.
    const span = await eventually(
      () => pipeline.row("SELECT name, duration_ms, status, attributes FROM viewer_spans WHERE trace_id = 'aa'"),
      ({ name }) => name !== undefined,
    );
    assert.equal(span.name, 'GET');
    assert.equal(span.duration_ms, '25');
    assert.equal(span.status, 'error');
    assert.equal(JSON.parse(span.attributes ?? '')['http.status_code'], '503');
  });

  it('drops a payload it had before, by Idempotency-Key, and tells pages apart', async () => {
    const headers = { 'idempotency-key': 'same' };
    const body = faroPayload('twice', { measurements: [faroMeasurement('twice')] });
    for (let i = 0; i < 3; i++) assert.equal((await post(body, { headers })).status, 202);
    assert.equal(
      (await post(faroPayload('other', { measurements: [faroMeasurement('twice')] }), { headers, key: 'page-key-2' }))
        .status,
      202,
    );
    // What is posted last is stored last: when it is there, so is all before it.
    await post(faroPayload('after', { measurements: [faroMeasurement('twice')] }));
    const rows = await eventually(
      () =>
        pipeline.rows(
          "SELECT session_id, count() AS n FROM viewer_measurements WHERE stream = 'twice' GROUP BY session_id ORDER BY session_id",
        ),
      (found) => found.some(({ session_id }) => session_id === 'after'),
    );
    assert.deepEqual(
      rows.map(({ session_id, n }) => [session_id, n]),
      [
        ['after', '1'],
        ['other', '1'],
        ['twice', '1'],
      ],
    );
    assert.equal(await ingest.metric('weir_ingest_faro_payloads_total', { duplicate: 'true' }), 2);
  });

  it('answers 401 to a wrong or missing key, and takes one from the address for beacons', async () => {
    assert.equal((await post(faroPayload('k'), { key: 'wrong' })).status, 401);
    assert.equal((await post(faroPayload('k'), { key: null })).status, 401);
    const beacon = await post(faroPayload('beacon', { measurements: [faroMeasurement('beacon')] }), {
      key: null,
      query: `?key=${KEY}`,
      headers: { 'content-type': 'text/plain;charset=UTF-8' },
    });
    assert.equal(beacon.status, 202);
    await eventually(
      () => pipeline.rows("SELECT 1 FROM viewer_measurements WHERE stream = 'beacon'"),
      (rows) => rows.length === 1,
    );
  });

  it('answers 400 to what is no payload, 413 to what is too large, packed or not', async () => {
    for (const body of ['', '{', '[]', '"text"', '{"logs":{}}']) assert.equal((await post(body)).status, 400, body);
    const gzip = { 'content-encoding': 'gzip' };
    assert.equal((await post(Buffer.from('no gzip'), { headers: gzip })).status, 400);
    const large = JSON.stringify({ meta: {}, logs: [{ message: 'x'.repeat(MAX_BODY_BYTES) }] });
    assert.equal((await post(large)).status, 413);
    const bomb = await post(gzipSync(large), { headers: gzip });
    assert.equal(bomb.status, 413);
    assert.deepEqual(await bomb.json(), { error: `The payload is larger than ${MAX_BODY_BYTES} bytes.` });
  });

  it('unpacks gzip, and carries payloads that are larger than a message may be', async () => {
    const logs = Array.from({ length: 3_000 }, (_, i) => ({ level: 'info', message: `line ${i} ${'y'.repeat(250)}` }));
    const body = Buffer.from(JSON.stringify(faroPayload('large', { logs })));
    assert.ok(body.length > 524_288 && body.length < MAX_BODY_BYTES);
    assert.equal((await post(gzipSync(body), { headers: { 'content-encoding': 'gzip' } })).status, 202);
    assert.equal((await post(gzipSync('{}'), { headers: { 'content-encoding': 'GZip' } })).status, 202);
    const row = await eventually(
      () =>
        pipeline.row(
          "SELECT count() AS n, max(length(message)) AS longest FROM viewer_events WHERE session_id = 'large'",
        ),
      ({ n }) => n === '3000',
    );
    assert.equal(row.longest, '260');
  });

  it('cuts what is too large for a message even packed, and drops it whole when it comes again', async () => {
    const noise = () => randomBytes(750).toString('base64');
    const logs = Array.from({ length: 900 }, () => ({ level: 'info', message: noise() }));
    const measurements = [faroMeasurement('cut')];
    const body = faroPayload('cut', { logs, measurements });
    assert.ok(gzipSync(JSON.stringify(body)).length > 524_288);
    const headers = { 'idempotency-key': 'cut-1' };
    for (let i = 0; i < 2; i++) assert.equal((await post(body, { headers })).status, 202);
    await post(faroPayload('cut', { measurements: [faroMeasurement('cut', { type: 'last' })] }));
    await eventually(
      () => pipeline.rows("SELECT 1 FROM viewer_measurements WHERE stream = 'cut' AND type = 'last'"),
      (rows) => rows.length === 1,
    );
    const { n, different } = await pipeline.row(
      "SELECT count() AS n, uniqExact(message) AS different FROM viewer_events WHERE session_id = 'cut'",
    );
    assert.deepEqual([n, different], ['900', '900']);
    const { starts } = await pipeline.row(
      "SELECT count() AS starts FROM viewer_measurements WHERE stream = 'cut' AND type = 'player.start'",
    );
    assert.equal(starts, '1');
    const one = faroPayload('cut', { logs: [{ level: 'info', message: randomBytes(600_000).toString('base64') }] });
    assert.equal((await post(one)).status, 413, 'a single item larger than a message');
  });

  it('lets the named pages ask from elsewhere, and no others', async () => {
    const preflight = (origin: string) =>
      fetch(`${ingest.url}/faro/collect`, {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'content-type,idempotency-key,x-api-key,x-faro-session-id',
        },
      });
    const allowed = await preflight('https://tv.example');
    assert.equal(allowed.status, 204);
    assert.equal(allowed.headers.get('access-control-allow-origin'), 'https://tv.example');
    assert.match(allowed.headers.get('access-control-allow-headers') ?? '', /idempotency-key/);
    assert.equal((await preflight('https://evil.example')).headers.get('access-control-allow-origin'), null);
  });

  it('believes no clock that is far off', async () => {
    const timestamp = '2019-01-01T00:00:00.000Z';
    await post(faroPayload('clock', { measurements: [faroMeasurement('clock', { timestamp })] }));
    const { age } = await eventually(
      () =>
        pipeline.row("SELECT dateDiff('second', time, now()) AS age FROM viewer_measurements WHERE stream = 'clock'"),
      ({ age }) => age !== undefined,
    );
    assert.ok(Number(age) < 60, `${age} s`);
  });

  it('answers 429 with Retry-After beyond the rate of a key, and goes on a second later', async () => {
    const burst = Array.from({ length: RATE_PER_KEY * 4 }, () => post('{', { key: 'page-key-2' }));
    const answers = await Promise.all(burst);
    const refused = answers.filter(({ status }) => status === 429);
    assert.ok(refused.length > 0, 'none was refused');
    assert.match(refused[0]?.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
    await eventually(
      () => post('{', { key: 'page-key-2' }),
      ({ status }) => status === 400,
      10_000,
    );
  });

  it('accepts nothing it can’t keep: 503 while NATS is away, and loses nothing that it accepted when it is killed', async () => {
    let accepted = 0;
    const session = 'survivor';
    const sendOne = async () => {
      const answer = await post(faroPayload(session, { measurements: [faroMeasurement('kill')] })).catch(
        () => undefined,
      );
      if (answer?.status === 202) accepted += 1;
      return answer;
    };
    // Until nobody answers any more; more than the rate of the key lets in is refused on the way.
    const sending = Array.from({ length: 20 }, async () => {
      while ((await sendOne()) !== undefined);
    });
    await eventually(
      () => Promise.resolve(accepted),
      (n) => n > 150,
    );
    await ingest.kill9();
    await Promise.all(sending);
    await pipeline.nats.stop();
    await ingest.restart();
    const refused = await eventually(sendOne, (answer) => answer?.status === 503);
    assert.equal(refused?.headers.get('retry-after'), '5');
    await pipeline.nats.restart();
    await eventually(sendOne, (answer) => answer?.status === 202);
    // A payload that was stored but whose answer was cut off may be there as well; none that was accepted may be missing.
    const { n } = await eventually(
      () => pipeline.row(`SELECT count() AS n FROM viewer_measurements WHERE session_id = '${session}'`),
      (row) => Number(row.n) >= accepted,
    );
    assert.ok(Number(n) <= accepted + 21, `${n} rows for ${accepted} accepted payloads`);
  });
});
