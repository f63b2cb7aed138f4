/** Our own RTMP client as publisher and viewer in tests: publishes the demo clip in a loop, and notes what arrives. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RtmpClient, type RtmpStatus } from '@weir/edge/rtmp/client';
import type { RtmpMessage } from '@weir/edge/rtmp/message';
import { parseRtmpUrl } from '@weir/edge/rtmp/names';

/** The clip that `weir up --demo` publishes: 720p25 H.264 (GOP 2 s) and AAC, 8.000 s, loops without a seam. */
export const CLIP_PATH = join(import.meta.dirname, '../../services/cli/assets/demo.flv');
const CLIP_MS = 8_000;

/** One FLV tag. */
export interface FlvTag {
  type: number;
  timestamp: number;
  payload: Buffer;
}

/** The tags of an FLV file, in order. */
export function readFlv(path: string): FlvTag[] {
  const file = readFileSync(path);
  const tags: FlvTag[] = [];
  for (let at = 13; at + 11 <= file.length; ) {
    const size = file.readUIntBE(at + 1, 3);
    const timestamp = file.readUIntBE(at + 4, 3) | ((file[at + 7] ?? 0) << 24);
    tags.push({ type: file[at] ?? 0, timestamp, payload: file.subarray(at + 11, at + 11 + size) });
    at += 11 + size + 4;
  }
  return tags;
}

/** Clip messages with a timestamp that never repeats, in order, without the end-of-sequence tag. */
function* clipForever(): Generator<FlvTag> {
  const tags = readFlv(CLIP_PATH).filter(({ payload }) => !(payload[0] === 0x17 && payload[1] === 2));
  for (let round = 0; ; round += 1) {
    for (const tag of tags) yield { ...tag, timestamp: tag.timestamp + round * CLIP_MS };
  }
}

/** A publisher of the clip. */
export interface ClipPublisher {
  readonly client: RtmpClient;
  /** Messages sent so far. */
  readonly sent: number;
  /** Status messages and the end, as they came. */
  readonly statuses: RtmpStatus[];
  /** Resolves when the connection is closed, by whomever. */
  readonly closed: Promise<void>;
  /** Stops sending and stays connected. */
  pause(): void;
  resume(): void;
  /** Ends in good order. */
  close(): Promise<void>;
}

/**
 * Publishes the clip in a loop at `speed` times real time, in bursts of 10 ms.
 * @throws RtmpClientError when the server refuses.
 */
export async function publishClip(
  url: string,
  { speed = 1, ...rest }: { speed?: number; capsEx?: number } = {},
): Promise<ClipPublisher> {
  const at = parse(url);
  const statuses: RtmpStatus[] = [];
  let ended = () => {};
  const closed = new Promise<void>((resolve) => {
    ended = resolve;
  });
  const client = await RtmpClient.connect({
    ...at,
    ...rest,
    onStatus: (status) => statuses.push(status),
    onClose: () => ended(),
  });
  await client.publish(at.name);
  const clip = clipForever();
  let next = clip.next().value as FlvTag;
  let sent = 0;
  let paused = false;
  let mediaMs = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    if (!paused) mediaMs += (now - last) * speed;
    last = now;
    while (!paused && next.timestamp <= mediaMs && !client.socket.destroyed) {
      client.send(next.type, next.timestamp, next.payload);
      sent += 1;
      next = clip.next().value as FlvTag;
    }
  }, 10);
  void closed.then(() => clearInterval(timer));
  return {
    client,
    get sent() {
      return sent;
    },
    statuses,
    closed,
    pause: () => {
      paused = true;
    },
    resume: () => {
      paused = false;
    },
    async close() {
      clearInterval(timer);
      await client.end(at.name);
    },
  };
}

/** A viewer that notes all it gets. */
export interface NotingViewer {
  readonly client: RtmpClient;
  readonly messages: RtmpMessage[];
  /** Audio and video frames, without headers. */
  frames(type?: 8 | 9): RtmpMessage[];
  readonly statuses: RtmpStatus[];
  readonly isClosed: boolean;
  /** Milliseconds from connecting to the first video frame; undefined while there is none. */
  readonly firstFrameMs: number | undefined;
  close(): void;
}

/** Plays `url`. @throws RtmpClientError when the server refuses. */
export async function playStream(
  url: string,
  { timeoutMs = 10_000, ...rest }: { timeoutMs?: number; capsEx?: number } = {},
): Promise<NotingViewer> {
  const at = parse(url);
  const start = performance.now();
  const messages: RtmpMessage[] = [];
  const statuses: RtmpStatus[] = [];
  let closed = false;
  let firstFrameMs: number | undefined;
  const client = await RtmpClient.connect({
    ...at,
    ...rest,
    timeoutMs,
    onMessage(message) {
      messages.push(message);
      if (isFrame(message) && message.type === 9) firstFrameMs ??= performance.now() - start;
    },
    onStatus: (status) => statuses.push(status),
    onClose: () => {
      closed = true;
    },
  });
  await client.play(at.name);
  return {
    client,
    messages,
    frames: (type) => messages.filter((message) => isFrame(message) && (type === undefined || message.type === type)),
    statuses,
    get isClosed() {
      return closed;
    },
    get firstFrameMs() {
      return firstFrameMs;
    },
    close: () => client.close(),
  };
}

/** What is wrong with a viewer's frames: steps back, repeats; empty when nothing is. Headers are not looked at. */
export function faultsOf(viewer: NotingViewer): string[] {
  const faults: string[] = [];
  for (const type of [8, 9] as const) {
    let last: RtmpMessage | undefined;
    for (const frame of viewer.frames(type)) {
      if (last && frame.timestamp <= last.timestamp) {
        const same = frame.payload.equals(last.payload) ? ' (the same frame)' : '';
        faults.push(`type ${type}: ${frame.timestamp} after ${last.timestamp}${same}`);
      }
      last = frame;
    }
  }
  return faults;
}

/** The largest step between the timestamps of neighbouring video frames, ms. */
export function largestStepMs(viewer: NotingViewer): number {
  const times = viewer.frames(9).map(({ timestamp }) => timestamp);
  return Math.max(0, ...times.slice(1).map((time, i) => time - (times[i] ?? 0)));
}

/** Waits for the next `data` event of `socket`, for tests that need no more than a sign. */
export async function nextData(socket: RtmpClient['socket']): Promise<void> {
  await once(socket, 'data');
}

function isFrame({ type, payload }: RtmpMessage): boolean {
  return (type === 8 || type === 9) && payload[1] !== 0;
}

function parse(url: string): { host: string; port: number; app: string; name: string } {
  const at = parseRtmpUrl(url);
  if (!at) throw new Error(`"${url}" is no RTMP URL`);
  return at;
}
