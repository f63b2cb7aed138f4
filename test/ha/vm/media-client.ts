/**
 * Viewers of the media suite, all in one process in the client's network namespace, told what to do by lines of JSON as
 * those of client.ts are. A viewer that is cut off connects again at once, as players do, and notes how long it had no media.
 */
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { errorMessage } from '@weir/contracts/errors';
import { RtmpClient } from '@weir/edge/rtmp/client';
import { parseRtmpUrl } from '@weir/edge/rtmp/names';
import { Protocol } from '@weir/edge/rtmp/protocol';

const RETRY_MS = 200;
const VIDEO = 9;

interface Request {
  id: number;
  op: keyof typeof operations;
  url: string;
  count: number;
  ways: [host: string, port: number][];
}

/** One viewer; times by performance.now(). */
interface Viewer {
  client: RtmpClient | undefined;
  lastMs: number;
  maxGapMs: number;
  bytes: number;
  /** Times it was cut off. */
  cuts: number;
  /** Video whose time went back, or stood. */
  backwards: number;
  lastTimestamp: number;
  lastFailure: string;
  isWanted: boolean;
}

const protocol = new Protocol();
let viewers: Viewer[] = [];

/** Plays until told to stop; resolves at the first frame. */
function watch(url: string): { viewer: Viewer; first: Promise<void> } {
  const at = parseRtmpUrl(url);
  if (!at) throw new Error(`${url} is no RTMP URL`);
  const viewer: Viewer = {
    client: undefined,
    lastMs: performance.now(),
    maxGapMs: 0,
    bytes: 0,
    cuts: 0,
    backwards: 0,
    lastTimestamp: -1,
    lastFailure: '',
    isWanted: true,
  };
  const { promise: first, resolve } = Promise.withResolvers<void>();
  const play = async () => {
    while (viewer.isWanted) {
      const { promise: closed, resolve: onClose } = Promise.withResolvers<void>();
      try {
        viewer.client = await RtmpClient.connect({
          ...at,
          protocol,
          timeoutMs: 5_000,
          onMessage({ type, timestamp, payload }) {
            if (type !== VIDEO || payload[1] === 0) return;
            const now = performance.now();
            if (viewer.bytes > 0) viewer.maxGapMs = Math.max(viewer.maxGapMs, now - viewer.lastMs);
            if (timestamp <= viewer.lastTimestamp) viewer.backwards += 1;
            viewer.lastTimestamp = timestamp;
            viewer.lastMs = now;
            viewer.bytes += payload.length;
            resolve();
          },
          onClose: () => onClose(),
        });
        await viewer.client.play(at.name);
        await closed;
        viewer.cuts += 1;
      } catch (error) {
        viewer.lastFailure = errorMessage(error);
      }
      // a new connection begins with a key frame that may have been seen
      viewer.lastTimestamp = -1;
      if (viewer.isWanted) await delay(RETRY_MS);
    }
  };
  void play();
  return { viewer, first };
}

function isOpen(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 1_000 });
    const done = (open: boolean) => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
    socket.once('timeout', () => done(false));
  });
}

const operations = {
  /** `count` more viewers, one after the other; answers when all play. */
  async watch({ url, count }: Request) {
    for (let at = 0; at < count; at += 1) {
      const { viewer, first } = watch(url);
      viewers.push(viewer);
      await first;
    }
  },
  /** How the viewers are; a running silence counts as a gap. */
  async look() {
    const now = performance.now();
    return viewers.map(({ client, lastMs, maxGapMs, ...rest }) => ({
      ...rest,
      localPort: client?.socket.localPort ?? 0,
      maxGapMs: Math.round(Math.max(maxGapMs, now - lastMs)),
    }));
  },
  /** Forgets gaps, cuts and bytes so far. */
  async forget() {
    for (const viewer of viewers) {
      Object.assign(viewer, {
        maxGapMs: 0,
        cuts: 0,
        backwards: 0,
        bytes: 0,
        lastMs: performance.now(),
        lastFailure: '',
      });
    }
  },
  async release() {
    for (const viewer of viewers) {
      viewer.isWanted = false;
      viewer.client?.close();
    }
    viewers = [];
  },
  /** Those of `ways` that take a connection. */
  async open({ ways }: Request) {
    const open = await Promise.all(ways.map(([host, port]) => isOpen(host, port)));
    return ways.filter((_, at) => open[at]).map((way) => way.join(':'));
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as Request;
  void operations[request.op](request).then(
    (result) => process.stdout.write(`${JSON.stringify({ id: request.id, result: result ?? null })}\n`),
    (error: unknown) => process.stdout.write(`${JSON.stringify({ id: request.id, error: errorMessage(error) })}\n`),
  );
}
process.exit();
