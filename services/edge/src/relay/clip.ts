/** A clip out of an FLV file (Adobe's Video File Format Specification 10.1, annex E), played round and round. */
import { readFileSync } from 'node:fs';
import { WeirError } from '@weir/contracts/errors';

/** One message of the clip. The payload is shared by all rounds and must not be changed. */
export interface ClipMessage {
  /** RTMP message type, the same number as the FLV tag's: 8 audio, 9 video, 18 data. */
  type: number;
  /** ms from the beginning of the clip. */
  timestampMs: number;
  payload: Buffer;
}

/** A clip that can be looped. */
export interface Clip {
  /** Metadata and codec headers, needed once at the start of a connection. */
  headers: readonly ClipMessage[];
  /** Frames by timestamp. */
  frames: readonly ClipMessage[];
  /** Length of one round, ms: the longer of picture and sound. */
  lengthMs: number;
}

const FILE_HEADER_BYTES = 13;
const TAG_HEADER_BYTES = 11;
const TAG_TRAILER_BYTES = 4;
const AUDIO = 8;
const VIDEO = 9;
const DATA = 18;
/** A publisher sends the file's metadata as `@setDataFrame`, an AMF0 string in front of what the file has. */
const SET_DATA_FRAME = Buffer.from('\x02\x00\x0d@setDataFrame', 'latin1');

/** Reads an FLV file. @throws WeirError `CLIP_UNUSABLE` when it is none or holds no frame. */
export function readClip(path: string | URL): Clip {
  const file = readFileSync(path);
  if (file.toString('latin1', 0, 3) !== 'FLV') throw new WeirError('CLIP_UNUSABLE', `${path} is no FLV file.`);
  const headers: ClipMessage[] = [];
  const frames: ClipMessage[] = [];
  for (let at = FILE_HEADER_BYTES; at + TAG_HEADER_BYTES <= file.length; ) {
    const type = file.readUInt8(at) & 0x1f;
    const size = file.readUIntBE(at + 1, 3);
    const timestampMs = file.readUIntBE(at + 4, 3) + file.readUInt8(at + 7) * 2 ** 24;
    const body = file.subarray(at + TAG_HEADER_BYTES, at + TAG_HEADER_BYTES + size);
    at += TAG_HEADER_BYTES + size + TAG_TRAILER_BYTES;
    if (type === DATA) headers.push({ type, timestampMs: 0, payload: Buffer.concat([SET_DATA_FRAME, body]) });
    else if (isCodecHeader(type, body)) headers.push({ type, timestampMs: 0, payload: body });
    else if (type === AUDIO || (type === VIDEO && !isEndOfSequence(body)))
      frames.push({ type, timestampMs, payload: body });
  }
  if (frames.length === 0) throw new WeirError('CLIP_UNUSABLE', `${path} holds no audio or video.`);
  return { headers, frames, lengthMs: Math.max(roundLength(frames, VIDEO), roundLength(frames, AUDIO)) };
}

/**
 * The frames from `fromMs` of an endless loop on, with timestamps that only grow.
 * `fromMs` counts over all rounds, so a publisher that reconnects goes on where it was.
 */
export function* loopFrames(clip: Clip, fromMs = 0): Generator<ClipMessage, never> {
  for (let round = Math.floor(fromMs / clip.lengthMs); ; round++) {
    const startMs = round * clip.lengthMs;
    for (const frame of clip.frames) {
      const timestampMs = startMs + frame.timestampMs;
      if (timestampMs >= fromMs) yield { ...frame, timestampMs };
    }
  }
}

/** AVC or AAC configuration: packet type 0 in the second byte. */
function isCodecHeader(type: number, body: Buffer): boolean {
  if (type === VIDEO) return ((body[0] ?? 0) & 0x0f) === 7 && body[1] === 0;
  return type === AUDIO && (body[0] ?? 0) >> 4 === 10 && body[1] === 0;
}

function isEndOfSequence(body: Buffer): boolean {
  return ((body[0] ?? 0) & 0x0f) === 7 && body[1] === 2;
}

/** From the first frame of one kind (sound may begin later than the picture) to where the next one would be. */
function roundLength(frames: readonly ClipMessage[], type: number): number {
  const times = frames.filter((frame) => frame.type === type).map((frame) => frame.timestampMs);
  const [first = 0, last = 0] = [times[0], times.at(-1)];
  return times.length < 2 ? last : Math.ceil(((last - first) * times.length) / (times.length - 1));
}
