/** The demo publisher and viewers: real RTMP clients that come back when they are cut off. Before them: the clip. */
import { setTimeout as delay } from 'node:timers/promises';
import { errorMessage } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import { type Clip, loopFrames } from '@weir/edge/relay/clip';
import { RtmpClient } from '@weir/edge/rtmp/client';

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
  /** Why it was cut off or refused last, or undefined when it never was. */
  lastFailure(): string | undefined;
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
      if (!client.send(frame.type, wrap(frame.timestampMs), frame.payload)) await drained(client);
      mediaMs = frame.timestampMs + 1;
    }
  };
  return keepTrying(publish, first.promise, stop, logger);
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
  return keepTrying(watch, first.promise, stop, logger);
}

function keepTrying(
  work: () => Promise<void>,
  first: Promise<void>,
  stop: AbortController,
  logger: Logger,
): DemoClient {
  let failure: string | undefined;
  const running = (async () => {
    while (!stop.signal.aborted) {
      try {
        await work();
      } catch (error) {
        failure = errorMessage(error);
        if (!stop.signal.aborted) logger.warn({ error: failure }, 'demo client was cut off, trying again');
      }
      await delay(RETRY_MS, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  })();
  return {
    first,
    lastFailure: () => failure,
    async close() {
      stop.abort();
      await running;
    },
  };
}

/** Resolves when the socket takes more, or is gone. */
async function drained({ socket }: RtmpClient): Promise<void> {
  if (socket.destroyed) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.on('drain', done).on('close', done);
  });
}

/** RTMP timestamps are 32 bits wide. */
function wrap(timestampMs: number): number {
  return timestampMs % 2 ** 32;
}
