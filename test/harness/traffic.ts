/**
 * Steady telemetry of several nodes with known sums, for tests that break things meanwhile. Values are whole numbers, so
 * that sums are exact; every few rounds a message is sent again as after a lost acknowledgement. After it: ingest.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import { metricsPayload, TestOutbox, type TestPoint } from './otlp-sender.ts';

const NODES = 6;
const SERIES = 20;
const PAUSE_MS = 50;
const REPEAT_EVERY = 5;

/** Nodes `<prefix>-0` … that send until they are told to stop; what they sent is what must be found. */
export class Traffic {
  readonly #sent = { count: 0, sum: 0 };
  readonly #stop = new AbortController();
  readonly #sending: Promise<unknown>;

  constructor(connection: NatsConnection, prefix: string, partitions: number) {
    const outboxes = Array.from(
      { length: NODES },
      (_, number) => new TestOutbox(connection, { node: `${prefix}-${number}` }, partitions),
    );
    this.#sending = Promise.all(outboxes.map((outbox) => this.#send(outbox)));
  }

  /** Stops; resolves with the count and sum of all samples when JetStream has them. */
  async end(): Promise<{ count: number; sum: number }> {
    this.#stop.abort();
    await this.#sending;
    return this.#sent;
  }

  async #send(outbox: TestOutbox): Promise<void> {
    for (let round = 1; !this.#stop.signal.aborted; round++) {
      const timeMs = Date.now();
      const points = Array.from({ length: SERIES }, (_, index): TestPoint => {
        return { metric: 'live.io', kind: 'counter', value: round * SERIES + index, timeMs, attributes: { index } };
      });
      const payload = metricsPayload(outbox.sender, points);
      this.#sent.count += points.length;
      this.#sent.sum += points.reduce((sum, { value }) => sum + value, 0);
      await outbox.send('metrics', payload);
      if (round % REPEAT_EVERY === 0) {
        await outbox.send('metrics', payload, { sequence: outbox.sequence, withoutMessageId: true });
      }
      await sleep(PAUSE_MS);
    }
  }
}
