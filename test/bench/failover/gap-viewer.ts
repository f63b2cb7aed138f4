/** A viewer that notes nothing but when video frames come, and their timestamps: for the pauses and holes that people see. */
import { performance } from 'node:perf_hooks';
import { RtmpClient } from '@weir/edge/rtmp/client';
import { TYPE } from '@weir/edge/rtmp/message';
import { parseRtmpUrl } from '@weir/edge/rtmp/names';

/** A viewer. */
export interface GapViewer {
  /** Video frames so far. */
  readonly frames: number;
  readonly isClosed: boolean;
  /** Forgets the pauses so far. */
  begin(): void;
  /** The longest time without a frame since {@link begin}, the one that lasts included. */
  longestPauseMs(): number;
  /** Media time missing since {@link begin}, in all: steps between frames beyond the usual one. */
  missingMs(): number;
  close(): void;
}

/** Of the clip that is published. */
const FRAME_MS = 40;

/** AVC's configuration, which comes once more from a new source and carries the time of its key frame. */
function isHeader(payload: Buffer): boolean {
  return payload[1] === 0;
}

/** Plays `url`. @throws RtmpClientError when the server refuses. */
export async function watch(url: string): Promise<GapViewer> {
  const at = parseRtmpUrl(url);
  if (!at) throw new Error(`"${url}" is no RTMP URL`);
  let frames = 0;
  let lastMs = performance.now();
  let longestMs = 0;
  let isClosed = false;
  let lastTimestamp: number | undefined;
  let missingMs = 0;
  const client = await RtmpClient.connect({
    ...at,
    onMessage({ type, timestamp, payload }) {
      if (type !== TYPE.video || isHeader(payload)) return;
      const nowMs = performance.now();
      longestMs = Math.max(longestMs, nowMs - lastMs);
      lastMs = nowMs;
      frames += 1;
      if (lastTimestamp !== undefined) missingMs += Math.max(0, timestamp - lastTimestamp - FRAME_MS);
      lastTimestamp = timestamp;
    },
    onClose: () => {
      isClosed = true;
    },
  });
  await client.play(at.name);
  return {
    get frames() {
      return frames;
    },
    get isClosed() {
      return isClosed;
    },
    begin() {
      longestMs = 0;
      missingMs = 0;
      lastMs = performance.now();
    },
    missingMs: () => missingMs,
    longestPauseMs: () => Math.max(longestMs, performance.now() - lastMs),
    close: () => client.close(),
  };
}
