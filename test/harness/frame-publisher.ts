/** A publisher of made-up frames in tests: their sizes, times and kinds are the test's to choose. */
import { RtmpClient } from '@weir/edge/rtmp/client';
import { TYPE } from '@weir/edge/rtmp/message';
import { parseRtmpUrl } from '@weir/edge/rtmp/names';

/** AVC decoder configuration, as far as servers look at it. */
export const AVC_HEADER = Buffer.from('1700000000016400', 'hex');
/** AAC decoder configuration. */
export const AAC_HEADER = Buffer.from('af001210', 'hex');
const FRAME_MS = 40;
const HEAD_BYTES = 9;

/** A video frame of `sizeBytes`, with `number` in it. */
export function videoFrame(number: number, sizeBytes: number, isKey: boolean): Buffer {
  const payload = Buffer.alloc(Math.max(HEAD_BYTES, sizeBytes), number & 0xff);
  payload[0] = isKey ? 0x17 : 0x27;
  payload[1] = 1;
  payload.fill(0, 2, 5);
  payload.writeUInt32BE(number, 5);
  return payload;
}

/** The number of a frame made by {@link videoFrame}. */
export function frameNumber(payload: Buffer): number {
  return payload.readUInt32BE(5);
}

/** A connected publisher. */
export interface FramePublisher {
  readonly client: RtmpClient;
  /** Frames sent so far. */
  readonly sent: number;
  /** Sends so many frames at once, 40 ms of media each, sound beside each; the first is a key frame if `isKey`. */
  send(frames: number, isKey?: boolean): void;
  /** Goes on in real time, a frame each 40 ms, a key frame after so many; until closed. */
  goOn(keyEvery: number): void;
  close(): Promise<void>;
}

/** Publishes at `url` with headers sent. @throws RtmpClientError when the server refuses. */
export async function publishFrames(
  url: string,
  { frameBytes, keyBytes = frameBytes, startMs = 0 }: { frameBytes: number; keyBytes?: number; startMs?: number },
): Promise<FramePublisher> {
  const at = parseRtmpUrl(url);
  if (!at) throw new Error(`"${url}" is no RTMP URL`);
  const client = await RtmpClient.connect(at);
  await client.publish(at.name);
  let sent = 0;
  let timer: NodeJS.Timeout | undefined;
  const time = () => (startMs + sent * FRAME_MS) % 2 ** 32;
  client.send(TYPE.video, time(), AVC_HEADER);
  client.send(TYPE.audio, time(), AAC_HEADER);
  const sendOne = (isKey: boolean) => {
    client.send(TYPE.video, time(), videoFrame(sent, isKey ? keyBytes : frameBytes, isKey));
    client.send(TYPE.audio, time(), Buffer.from([0xaf, 1, 7, sent & 0xff]));
    sent += 1;
  };
  return {
    client,
    get sent() {
      return sent;
    },
    send(frames, isKey = false) {
      for (let i = 0; i < frames; i += 1) sendOne(isKey && i === 0);
    },
    goOn(keyEvery) {
      const first = sent;
      const startedAt = performance.now();
      timer = setInterval(() => {
        const due = first + Math.floor((performance.now() - startedAt) / FRAME_MS);
        while (sent < due && !client.socket.destroyed) sendOne((sent - first + 1) % keyEvery === 0);
      }, FRAME_MS / 4);
      client.socket.once('close', () => clearInterval(timer));
    },
    async close() {
      clearInterval(timer);
      await client.end(at.name);
    },
  };
}
