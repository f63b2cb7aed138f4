/** How long the stock Faro SDK may try to send one payload: the receiver must know its Idempotency-Key for longer. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { FetchTransport } from '@grafana/faro-web-sdk';
import { DUPLICATE_WINDOW_MS } from '@weir/contracts/nats/streams';

/** Timers of a hidden tab run once a minute; between three attempts there are two waits. */
const HIDDEN_TAB_MS = 2 * 60_000;

it('the last attempt of the stock Faro SDK comes while JetStream still knows the first', async (test) => {
  test.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const attempts: { atMs: number; key: string }[] = [];
  // A network on which every request is taken and no answer comes back.
  test.mock.method(
    globalThis,
    'fetch',
    (_url: string, { signal, headers }: { signal: AbortSignal; headers: object }) => {
      attempts.push({ atMs: Date.now(), key: new Map(Object.entries(headers)).get('Idempotency-Key') });
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new TypeError('no answer')));
      });
    },
  );
  // The longest waits it can be told to make: each as long as its bound.
  const transport = new FetchTransport({
    url: 'http://ingest.example/faro/collect',
    retry: { initialBackoffMs: 30_000 },
  });
  const silent = { debug() {}, info() {}, warn() {}, error() {} };
  Object.assign(transport, { internalLogger: silent, config: {}, metas: { value: {} } });
  let ended = false;
  const sent = transport
    .send([{ type: 'event', payload: { name: 'x', timestamp: '' }, meta: {} }] as unknown as Parameters<
      typeof transport.send
    >[0])
    .finally(() => {
      ended = true;
    });
  for (let i = 0; i < 1_000 && !ended; i++) {
    // Lets what is ready run, then a second pass.
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    test.mock.timers.tick(1_000);
  }
  await sent;
  assert.equal(attempts.length, 3);
  assert.equal(new Set(attempts.map(({ key }) => key)).size, 1, 'one payload, one key');
  const spanMs = (attempts.at(-1)?.atMs ?? 0) - (attempts[0]?.atMs ?? 0);
  test.diagnostic(`first to last attempt: ${spanMs} ms`);
  assert.ok(spanMs >= 60_000, 'the waits were made');
  assert.ok(spanMs + HIDDEN_TAB_MS < DUPLICATE_WINDOW_MS, `${spanMs} ms and ${HIDDEN_TAB_MS} ms of a hidden tab`);
});
