/** The demo publisher and viewers: real RTMP clients that come back when they are cut off. Before them: the clip. */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { errorMessage } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import { RtmpClient } from '@weir/edge/rtmp/client';
import { type Clip, loopFrames } from './clip.ts';

/** Where a demo client connects to. */
export interface DemoTarget {
  host: string;
  port: number;
  app: string;
  name: string;
}

/** A demo client that keeps itself connected. */
export interface DemoClient {
  /** Resolves when it publishes or plays for the first time. */
  first: Promise<void>;
  /** Resolves when it has ended. */
  close(): Promise<void>;
}

const RETRY_MS = 500;
/** Whoever is this late (a suspended machine) goes on from now instead of sending a burst. */
const LATE_MS = 1_000;

/** Starts publishing; never gives up until closed. */
export function startPublisher(clip: Clip, target: DemoTarget, logger: Logger): DemoClient {
  const stop = new AbortController();
  let mediaMs = 0;
  const first = Promise.withResolvers<void>();

  const publish = async () => {
    const client = await RtmpClient.connect({ ...target, signal: stop.signal });
    await client.publish(target.name);
    logger.info({ target }, 'publishing');
    first.resolve();
    const base = mediaMs;
    for (const header of clip.headers) client.send(header.type, wrap(base), header.payload);
    let startedAt = performance.now() - base;
    for (const frame of loopFrames(clip, base)) {
      const earlyMs = startedAt + frame.timestampMs - performance.now();
      if (earlyMs > 1) await delay(earlyMs, undefined, { signal: stop.signal });
      else if (earlyMs < -LATE_MS) startedAt -= earlyMs;
      if (client.socket.destroyed) return;
      if (!client.send(frame.type, wrap(frame.timestampMs), frame.payload)) {
        await once(client.socket, 'drain', { signal: AbortSignal.any([stop.signal, closed(client)]) });
      }
      mediaMs = frame.timestampMs + 1;
    }
  };
  const running = keepTrying(publish, stop.signal, logger);
  return { first: first.promise, close: () => end(stop, running) };
}

/** Starts a viewer that counts what it gets and shows it to nobody; never gives up until closed. */
export function startViewer(target: DemoTarget, logger: Logger): DemoClient {
  const stop = new AbortController();
  const first = Promise.withResolvers<void>();
  const watch = async () => {
    let receivedBytes = 0;
    const ended = Promise.withResolvers<void>();
    const client = await RtmpClient.connect({
      ...target,
      signal: stop.signal,
      onMessage: (message) => {
        receivedBytes += message.payload.length;
        first.resolve();
      },
      onClose: () => ended.resolve(),
    });
    await client.play(target.name);
    logger.info({ target }, 'playing');
    await ended.promise;
    logger.info({ receivedBytes }, 'viewer ended');
  };
  const running = keepTrying(watch, stop.signal, logger);
  return { first: first.promise, close: () => end(stop, running) };
}

async function keepTrying(work: () => Promise<void>, stop: AbortSignal, logger: Logger): Promise<void> {
  while (!stop.aborted) {
    try {
      await work();
    } catch (error) {
      if (!stop.aborted) logger.warn({ error: errorMessage(error) }, 'demo client was cut off, trying again');
    }
    await delay(RETRY_MS, undefined, { signal: stop }).catch(() => undefined);
  }
}

async function end(stop: AbortController, running: Promise<void>): Promise<void> {
  stop.abort();
  await running;
}

function closed(client: RtmpClient): AbortSignal {
  const gone = new AbortController();
  client.socket.once('close', () => gone.abort());
  return gone.signal;
}

/** RTMP timestamps are 32 bits wide. */
function wrap(timestampMs: number): number {
  return timestampMs % 2 ** 32;
}
