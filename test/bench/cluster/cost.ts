/**
 * What membership costs NATS, as the server itself counts it: messages and bytes, in and out, per node and per stream.
 * Before it: a cluster that does nothing but live, then one with streams; after it: the cost model in the edge's README.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsTraffic, TestNats } from '@weir/test/harness/nats';

/** Traffic a second. */
export type Rate = NatsTraffic;

/** Messages and bytes that one thing costs. */
export interface Cost {
  /** What reaches the server, and how large it is. */
  messagesIn: number;
  bytesIn: number;
  /** What the server sends to all others together. */
  messagesOut: number;
  bytesOut: number;
}

/** The difference of two counts, each divided by `by`. */
export function difference(later: NatsTraffic, earlier: NatsTraffic, by: number): Cost {
  const per = (key: keyof NatsTraffic) => Number(((later[key] - earlier[key]) / by).toPrecision(4));
  return {
    messagesIn: per('messagesIn'),
    bytesIn: per('bytesIn'),
    messagesOut: per('messagesOut'),
    bytesOut: per('bytesOut'),
  };
}

/** Traffic a second over the next `ms`. */
export async function rateOver(nats: TestNats, ms: number): Promise<Rate> {
  const [before, startMs] = [await nats.traffic(), performance.now()];
  await sleep(ms);
  return difference(await nats.traffic(), before, (performance.now() - startMs) / 1_000);
}
