/** A viewer that notes nothing but when video frames come: for the pauses that people see. */
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
  close(): void;
}

/** Plays `url`. @throws RtmpClientError when the server refuses. */
export async function watch(url: string): Promise<GapViewer> {
  const at = parseRtmpUrl(url);
  if (!at) throw new Error(`"${url}" is no RTMP URL`);
  let frames = 0;
  let lastMs = performance.now();
  let longestMs = 0;
  let isClosed = false;
  const client = await RtmpClient.connect({
    ...at,
    onMessage({ type }) {
      if (type !== TYPE.video) return;
      const nowMs = performance.now();
      longestMs = Math.max(longestMs, nowMs - lastMs);
      lastMs = nowMs;
      frames += 1;
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
      lastMs = performance.now();
    },
    longestPauseMs: () => Math.max(longestMs, performance.now() - lastMs),
    close: () => client.close(),
  };
}
