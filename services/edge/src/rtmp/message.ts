/** RTMP messages as they leave the chunk reader and enter the chunk writer (RTMP 1.0 §5, §6, §7). */

/** Message types. */
export const TYPE = {
  setChunkSize: 1,
  abort: 2,
  acknowledgement: 3,
  userControl: 4,
  windowAcknowledgement: 5,
  peerBandwidth: 6,
  audio: 8,
  video: 9,
  dataAmf3: 15,
  commandAmf3: 17,
  data: 18,
  command: 20,
  aggregate: 22,
} as const;

/** One whole message. `payload` belongs to whoever receives it and is never written to again. */
export interface RtmpMessage {
  type: number;
  /** Message stream id. */
  streamId: number;
  /** Milliseconds modulo 2^32, as the sender counts. */
  timestamp: number;
  payload: Buffer;
}

/** Chunk stream ids of what we send. */
export const CHUNK_STREAM = { control: 2, command: 3, audio: 4, video: 6, data: 5 } as const;

/**
 * The messages inside an aggregate message (§7.1.6): FLV tags whose timestamps count from the aggregate's own.
 * A tag that is cut off ends the list.
 */
export function splitAggregate(aggregate: RtmpMessage): RtmpMessage[] {
  const { payload, streamId } = aggregate;
  const messages: RtmpMessage[] = [];
  let at = 0;
  let offset: number | undefined;
  while (at + 11 <= payload.length) {
    const type = payload[at] as number;
    const size = payload.readUIntBE(at + 1, 3);
    const timestamp = (((payload[at + 7] as number) << 24) | payload.readUIntBE(at + 4, 3)) >>> 0;
    const start = at + 11;
    if (start + size > payload.length) break;
    offset ??= aggregate.timestamp - timestamp;
    messages.push({
      type,
      streamId,
      timestamp: (timestamp + offset) >>> 0,
      payload: payload.subarray(start, start + size),
    });
    at = start + size + 4; // the size of this tag follows it
  }
  return messages;
}
