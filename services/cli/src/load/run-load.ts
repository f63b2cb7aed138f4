/**
 * One run of the load generator: publishers if asked for, viewers joining at a steady rate, a measured stretch, figures.
 * Before it: `weir load`; after it: report.ts, or a bench that reads the figures.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { errorMessage, WeirError } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import { readClip } from '@weir/edge/relay/clip';
import { Protocol } from '@weir/edge/rtmp/protocol';
import { type DemoClient, startPublisher } from '../demo/clients.ts';
import { type Distribution, distribution } from './distribution.ts';
import { type LoadTarget, LoadViewer } from './load-viewer.ts';

/** What to do. */
export interface LoadRequest {
  target: LoadTarget;
  /** 0: only publishers. */
  viewers: number;
  /** Streams to publish, `name` or `name-1` …; 0: somebody else publishes `name`. */
  publishers: number;
  /** Length of the measured stretch. */
  seconds: number;
  /** Viewers that join per second. */
  joinsPerSecond: number;
  /** Viewers that parse and check everything, spread over the rest. */
  sampled: number;
  /** The clip that publishers loop. */
  clip: string | URL;
  logger: Logger;
  /** Called about once a second. */
  onProgress?: (progress: LoadProgress) => void;
}

/** Where a run is. */
export interface LoadProgress {
  phase: 'joining' | 'measuring';
  playing: number;
  failed: number;
  elapsedSeconds: number;
}

/** What was measured. */
export interface LoadFigures {
  viewers: number;
  /** Viewers that played to the end. */
  playing: number;
  /** Viewers that were never let in, with the words of the first few. */
  failed: number;
  failures: string[];
  /** Viewers that were cut off. */
  lost: number;
  seconds: number;
  /** Viewers that got at least {@link WHOLE_SHARE} of what the sampled ones of their stream got. */
  whole: number;
  /** Received per viewer. */
  bitsPerSecond: Distribution;
  /** All viewers together. */
  totalBitsPerSecond: number;
  connectMs: Distribution;
  /** From a viewer's first packet to its first frame. */
  firstFrameMs: Distribution;
  /** Of the sampled viewers. */
  sampled: { viewers: number; mediaRate: Distribution; longestGapMs: Distribution; backwards: number };
  /** CPU of the load generator itself over the measured stretch, 1 = one core. */
  ownCpu: number;
  publishers: number;
}

/** Below this share of the stream's bitrate a viewer counts as short; windows and GOPs at the edges take a little. */
export const WHOLE_SHARE = 0.95;
const JOIN_TIMEOUT_MS = 20_000;
const SETTLE_MS = 2_000;
const READ_BUFFER_BYTES = 262_144;
const MAX_FAILURES_TOLD = 5;

/**
 * Runs the load; resolves with its figures, whatever they are.
 * @throws WeirError `LOAD_NOBODY_PLAYS`, `LOAD_NOT_PUBLISHED`.
 */
export async function runLoad(request: LoadRequest, signal: AbortSignal): Promise<LoadFigures> {
  const names = streamNames(request);
  const clip = readClip(request.clip);
  const publishers =
    request.publishers === 0
      ? []
      : names.map((name) => startPublisher(clip, { ...request.target, name }, request.logger));
  const viewers: LoadViewer[] = [];
  try {
    await Promise.all(publishers.map((publisher) => published(publisher, signal)));
    const failures = await joinAll(request, names, viewers, signal);
    if (viewers.length === 0 && request.viewers > 0) {
      throw new WeirError('LOAD_NOBODY_PLAYS', `None of ${request.viewers} viewers could play: ${failures[0] ?? ''}`);
    }
    await delay(SETTLE_MS, undefined, { signal });
    return await measure(request, viewers, failures, signal);
  } finally {
    for (const viewer of viewers) viewer.close();
    await Promise.all(publishers.map((publisher) => publisher.close()));
  }
}

function streamNames({ target, publishers }: LoadRequest): string[] {
  if (publishers <= 1) return [target.name];
  return Array.from({ length: publishers }, (_, index) => `${target.name}-${index + 1}`);
}

/** Waits until the publisher publishes. */
async function published(publisher: DemoClient, signal: AbortSignal): Promise<void> {
  const { promise: over, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason);
  const timer = setTimeout(() => {
    const why = publisher.lastFailure() ?? 'the server does not answer';
    reject(
      new WeirError('LOAD_NOT_PUBLISHED', `Nothing could be published within ${JOIN_TIMEOUT_MS / 1_000} s: ${why}`),
    );
  }, JOIN_TIMEOUT_MS);
  signal.addEventListener('abort', stop, { once: true });
  try {
    await Promise.race([publisher.first, over]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

async function joinAll(
  request: LoadRequest,
  names: readonly string[],
  viewers: LoadViewer[],
  signal: AbortSignal,
): Promise<string[]> {
  const protocol = new Protocol();
  const readBuffer = Buffer.allocUnsafe(READ_BUFFER_BYTES);
  const failures: string[] = [];
  const joining: Promise<void>[] = [];
  const startedAt = performance.now();
  // Each stream has sampled viewers, and they join all along, not first.
  const every = Math.max(1, Math.floor(request.viewers / Math.max(request.sampled, names.length)));
  for (let index = 0; index < request.viewers; index += 1) {
    const name = names[index % names.length] as string;
    const sampled = index < names.length || index % every === 0;
    const target = { ...request.target, name };
    joining.push(
      LoadViewer.join({ target, protocol, readBuffer, sampled, timeoutMs: JOIN_TIMEOUT_MS }).then(
        (viewer) => void viewers.push(viewer),
        (error) => void failures.push(errorMessage(error)),
      ),
    );
    const dueMs = ((index + 1) * 1_000) / request.joinsPerSecond;
    const earlyMs = dueMs - (performance.now() - startedAt);
    if (earlyMs > 5) await delay(earlyMs, undefined, { signal });
    if (index % request.joinsPerSecond === 0) {
      progress(request, 'joining', viewers, failures.length, startedAt);
    }
  }
  await Promise.all(joining);
  return failures;
}

async function measure(
  request: LoadRequest,
  viewers: readonly LoadViewer[],
  failures: readonly string[],
  signal: AbortSignal,
): Promise<LoadFigures> {
  const beganAt = performance.now();
  const cpu = process.cpuUsage();
  const before = viewers.map((viewer) => viewer.bytes);
  for (const viewer of viewers) viewer.check?.begin(beganAt);
  progress(request, 'measuring', viewers, failures.length, beganAt);
  for (let second = 0; second < request.seconds; second += 1) {
    const endMs = Math.min(second + 1, request.seconds) * 1_000;
    await delay(Math.max(0, beganAt + endMs - performance.now()), undefined, { signal });
    progress(request, 'measuring', viewers, failures.length, beganAt);
  }
  const endedAt = performance.now();
  const seconds = (endedAt - beganAt) / 1_000;
  const used = process.cpuUsage(cpu);
  const received = viewers.map((viewer, index) => viewer.bytes - (before[index] ?? 0));
  const expected = expectedBytes(viewers, received);
  const checks = viewers.flatMap(({ check }) => (check ? [check.figures(endedAt)] : []));
  return {
    viewers: request.viewers,
    playing: viewers.filter((viewer) => !viewer.lost).length,
    failed: failures.length,
    failures: failures.slice(0, MAX_FAILURES_TOLD),
    lost: viewers.filter((viewer) => viewer.lost).length,
    seconds,
    whole: viewers.filter((viewer, index) => {
      const wanted = expected.get(viewer.stream) ?? 0;
      return wanted > 0 && (received[index] ?? 0) >= wanted * WHOLE_SHARE;
    }).length,
    bitsPerSecond: distribution(
      received.map((bytes) => (bytes * 8) / seconds),
      0,
    ),
    totalBitsPerSecond: Math.round((received.reduce((sum, bytes) => sum + bytes, 0) * 8) / seconds),
    connectMs: distribution(viewers.map((viewer) => viewer.connectMs)),
    firstFrameMs: distribution(viewers.flatMap(({ firstFrameMs }) => firstFrameMs ?? [])),
    sampled: {
      viewers: checks.length,
      mediaRate: distribution(
        checks.map((check) => check.mediaRate),
        3,
      ),
      longestGapMs: distribution(checks.map((check) => check.longestGapMs)),
      backwards: checks.reduce((sum, check) => sum + check.backwards, 0),
    },
    ownCpu: Number(((used.user + used.system) / 1e6 / seconds).toFixed(3)),
    publishers: request.publishers,
  };
}

/** Bytes of each stream over the stretch: the median of its sampled viewers that kept step with time. */
function expectedBytes(viewers: readonly LoadViewer[], received: readonly number[]): Map<string, number> {
  const byStream = new Map<string, number[]>();
  for (const [index, viewer] of viewers.entries()) {
    if (!viewer.check || viewer.lost) continue;
    const list = byStream.get(viewer.stream) ?? [];
    list.push(received[index] ?? 0);
    byStream.set(viewer.stream, list);
  }
  return new Map([...byStream].map(([stream, bytes]) => [stream, distribution(bytes, 0).p50]));
}

function progress(
  request: LoadRequest,
  phase: LoadProgress['phase'],
  viewers: readonly LoadViewer[],
  failed: number,
  sinceMs: number,
): void {
  request.onProgress?.({
    phase,
    playing: viewers.length,
    failed,
    elapsedSeconds: Math.round((performance.now() - sinceMs) / 1_000),
  });
}
