/** The kinds of failure that ../failover.ts inflicts, each with what it may cost viewers. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { NodeProcess } from '@weir/test/harness/edge-process';
import type { TestNats } from '@weir/test/harness/nats';
import type { ClipPublisher } from '@weir/test/harness/rtmp-viewer';

/** A cluster with viewers, in which something is to fail. */
export interface Stage {
  nats: TestNats;
  /** The origin the (first) stream comes through. */
  origin: NodeProcess;
  origins: NodeProcess[];
  /** The publisher is on the first one, of further streams on the next. */
  edges: NodeProcess[];
  /** The first stream's. */
  publisher: ClipPublisher;
  /** Publishes the same stream on `edge` as soon as its name is free. */
  republish(edge: NodeProcess): Promise<void>;
  /** A second publisher on `edge`, with ?backup=1; resolves when it stands by. */
  standBy(edge: NodeProcess): Promise<void>;
}

/** A kind of failure, with the target for its 95th percentile. */
export interface Kind {
  name: string;
  targetMs: number;
  /** Time that passes by design, not counted: the publisher is away. */
  awayMs?: number;
  /** Default 3. */
  edges?: number;
  /** Published at the same time, each on another edge. Default 1. */
  streams?: number;
  /** How long it is until edges are elected origins is measured too, against this target. */
  electedTargetMs?: number;
  fail(stage: Stage): Promise<void>;
}

const REPUBLISH_AFTER_MS = 1_000;
const NATS_AWAY_MS = 60_000;
/** A merge window, and what a busy machine adds: no gap at all. */
const NO_GAP_MS = 500;

export const KINDS: readonly Kind[] = [
  { name: 'origin killed', targetMs: 1_000, fail: ({ origin }) => origin.kill9() },
  { name: 'origin frozen (silent)', targetMs: 2_500, fail: async ({ origin }) => origin.freeze() },
  { name: 'origin shut down', targetMs: 1_000, fail: ({ origin }) => origin.close() },
  {
    name: 'publisher killed, back on another edge',
    targetMs: 1_000,
    awayMs: REPUBLISH_AFTER_MS,
    async fail({ publisher, republish, edges }) {
      publisher.client.close();
      await sleep(REPUBLISH_AFTER_MS);
      await republish(edges[1] as NodeProcess);
    },
  },
  {
    name: 'publishing edge killed, back on another',
    targetMs: 1_000,
    awayMs: REPUBLISH_AFTER_MS,
    async fail({ republish, edges }) {
      await (edges[0] as NodeProcess).kill9();
      await sleep(REPUBLISH_AFTER_MS);
      await republish(edges[1] as NodeProcess);
    },
  },
  {
    name: 'publisher killed, a backup on another edge',
    targetMs: 1_000,
    async fail({ publisher, standBy, edges }) {
      await standBy(edges[1] as NodeProcess);
      publisher.client.close();
    },
  },
  {
    name: 'publisher silent, a backup on another edge',
    targetMs: 2_500,
    async fail({ publisher, standBy, edges }) {
      await standBy(edges[1] as NodeProcess);
      publisher.pause();
    },
  },
  {
    name: 'publishing edge killed, a backup on another',
    targetMs: 2_500,
    async fail({ standBy, edges }) {
      await standBy(edges[1] as NodeProcess);
      await (edges[0] as NodeProcess).kill9();
    },
  },
  {
    name: 'all origins of 8 edges killed',
    targetMs: 3_000,
    edges: 8,
    streams: 4,
    electedTargetMs: 5_000,
    fail: async ({ origins }) => void (await Promise.all(origins.map((origin) => origin.kill9()))),
  },
  {
    name: 'NATS away for 60 s',
    targetMs: NO_GAP_MS,
    async fail({ nats }) {
      await nats.stop();
      await sleep(NATS_AWAY_MS);
      await nats.restart();
    },
  },
];
