/**
 * RTMP viewers, all in one process in the client's namespace, told what to do by lines of JSON as those of stand-in-clients.ts are.
 * A viewer that is cut off, or hears nothing for some seconds, connects again as players do, and notes how long it had no
 * media.
 */
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { errorMessage } from '@weir/contracts/errors';
import { RtmpClient } from '@weir/edge/rtmp/client';
import { parseRtmpUrl } from '@weir/edge/rtmp/names';
import { Protocol } from '@weir/edge/rtmp/protocol';

const RETRY_MS = 200;
/** A viewer sends nothing, so nobody can tell it that its edge is gone: players have a time-out. */
const STALL_MS = 3_000;
const CONNECT_MS = 3_000;
const VIDEO = 9;

interface Request {
  id: number;
  op: keyof typeof operations;
  url: string;
  count: number;
  localPorts: number[];
  ways: [host: string, port: number][];
}

/** What is noted of a viewer until it is forgotten. */
interface Noted {
  maxGapMs: number;
  bytes: number;
  /** Times it was cut off. */
  cuts: number;
  /** Video whose time went back, or stood. */
  backwards: number;
  lastFailure: string;
}

/** One viewer. */
interface Viewer extends Noted {
  client: RtmpClient | undefined;
  /** When media came last, by performance.now(). */
  lastMs: number | undefined;
  lastTimestamp: number;
  isWanted: boolean;
}

const NOTHING: Noted = { maxGapMs: 0, bytes: 0, cuts: 0, backwards: 0, lastFailure: '' };
const protocol = new Protocol();
let viewers: Viewer[] = [];

/** Plays until told to stop; resolves at the first frame. */
function watch(url: string): { viewer: Viewer; first: Promise<void> } {
  const at = parseRtmpUrl(url);
  if (!at) throw new Error(`${url} is no RTMP URL`);
  const { promise: first, resolve } = Promise.withResolvers<void>();
  const viewer: Viewer = { ...NOTHING, client: undefined, lastMs: undefined, lastTimestamp: -1, isWanted: true };
  const play = async () => {
    while (viewer.isWanted) {
      const { promise: closed, resolve: onClose } = Promise.withResolvers<void>();
      // a new connection begins with a key frame that may have been seen
      viewer.lastTimestamp = -1;
      try {
        viewer.client = await RtmpClient.connect({
          ...at,
          protocol,
          timeoutMs: CONNECT_MS,
          onMessage({ type, timestamp, payload }) {
            if (type !== VIDEO || payload[1] === 0) return;
            note(viewer, timestamp, payload.length);
            resolve();
          },
          onClose: () => onClose(),
        });
        viewer.client.socket.setTimeout(STALL_MS, () => viewer.client?.close());
        await viewer.client.play(at.name);
        await closed;
        if (viewer.isWanted) viewer.cuts += 1;
      } catch (error) {
        viewer.lastFailure = errorMessage(error);
        viewer.client?.close();
      }
      if (viewer.isWanted) await delay(RETRY_MS);
    }
  };
  void play();
  return { viewer, first };
}

function note(viewer: Viewer, timestamp: number, sizeBytes: number): void {
  const now = performance.now();
  if (viewer.lastMs !== undefined) viewer.maxGapMs = Math.max(viewer.maxGapMs, now - viewer.lastMs);
  if (timestamp <= viewer.lastTimestamp) viewer.backwards += 1;
  viewer.lastTimestamp = timestamp;
  viewer.lastMs = now;
  viewer.bytes += sizeBytes;
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
    return viewers.map(({ client, lastMs = now, maxGapMs, bytes, cuts, backwards, lastFailure }) => ({
      bytes,
      cuts,
      backwards,
      lastFailure,
      localPort: client?.socket.localPort ?? 0,
      maxGapMs: Math.round(Math.max(maxGapMs, now - lastMs)),
    }));
  },
  /** Forgets what was noted so far. */
  async forget() {
    const now = performance.now();
    for (const viewer of viewers) Object.assign(viewer, NOTHING, { lastMs: now });
  },
  /** Those viewers leave whose connections have these ports. */
  async leave({ localPorts }: Request) {
    const leaving = new Set(localPorts);
    const [gone, rest] = [true, false].map((isLeaving) =>
      viewers.filter(({ client }) => leaving.has(client?.socket.localPort ?? 0) === isLeaving),
    );
    for (const viewer of gone ?? []) {
      viewer.isWanted = false;
      viewer.client?.close();
    }
    viewers = rest ?? [];
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
