/**
 * Cuts a message into chunks (RTMP 1.0 §5.3): one buffer, a type-0 header and type-3 headers. A viewer's media is cut
 * once per stream by the hub and shared; commands are cut per connection.
 */
import { CHUNK_STREAM, TYPE } from './message.ts';

const EXTENDED = 0xffffff;
const FIRST_HEADER_BYTES = 12;

/** The chunk stream for a message type, so that audio does not wait behind video. */
export function chunkStreamOf(type: number): number {
  if (type === TYPE.audio) return CHUNK_STREAM.audio;
  if (type === TYPE.video) return CHUNK_STREAM.video;
  return type === TYPE.data ? CHUNK_STREAM.data : CHUNK_STREAM.command;
}

/** The bytes of one message in chunks of `chunkSize`. `timestamp` is taken modulo 2^32; `payload` is copied. */
export function writeChunks(
  type: number,
  streamId: number,
  timestamp: number,
  payload: Buffer,
  chunkSize: number,
  chunkStream: number = chunkStreamOf(type),
): Buffer {
  const time = timestamp >>> 0;
  const extended = time >= EXTENDED;
  const extendedBytes = extended ? 4 : 0;
  const length = payload.length;
  const followers = length > 0 ? Math.ceil(length / chunkSize) - 1 : 0;
  const out = Buffer.allocUnsafe(FIRST_HEADER_BYTES + extendedBytes + length + followers * (1 + extendedBytes));
  out[0] = chunkStream;
  out.writeUIntBE(extended ? EXTENDED : time, 1, 3);
  out.writeUIntBE(length, 4, 3);
  out[7] = type;
  out.writeUInt32LE(streamId, 8);
  let at = FIRST_HEADER_BYTES;
  if (extended) at = out.writeUInt32BE(time, at);
  for (let from = 0; from < length; from += chunkSize) {
    if (from > 0) {
      out[at] = 0xc0 | chunkStream;
      at += 1;
      if (extended) at = out.writeUInt32BE(time, at);
    }
    at += payload.copy(out, at, from, Math.min(from + chunkSize, length));
  }
  return out;
}
