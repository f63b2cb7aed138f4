/**
 * What a media message is: header, key frame, frame, audio, metadata. The hub keeps headers and finds key frames by it;
 * the payload itself is passed through untouched (Adobe FLV 10.1 annex E; Enhanced RTMP v2 by FourCC).
 */

/** FLV tag types, which are RTMP's message types too. */
export const AUDIO = 8;
export const VIDEO = 9;
export const DATA = 18;

/**
 * - `header`: decoder configuration, kept and sent first; `slot` tells headers apart that do not replace each other
 * - `metadata`: onMetaData, kept and sent before the headers
 * - `key`: a video frame from which a decoder can start
 * - `frame`: any other video message; `audio`; `data`: any other data message
 */
export type MediaKind = 'header' | 'metadata' | 'key' | 'frame' | 'audio' | 'data';

/** One media message. Nobody writes to `payload`: it is shared by the GOP cache and all encodings. */
export interface MediaMessage {
  type: typeof AUDIO | typeof VIDEO | typeof DATA;
  /** Milliseconds modulo 2^32, as the publisher counts. */
  timestamp: number;
  payload: Buffer;
  kind: MediaKind;
  /** Of headers only: `video`, `audio`, `video:1` (track 1), `video:metadata` … */
  slot: string;
}

const VIDEO_EXTENDED = 0x80;
const FRAME_KEY = 1;
const CODEC_AVC = 7;
const CODEC_HEVC_LEGACY = 12;
const SOUND_EXTENDED = 9;
const SOUND_AAC = 10;
const PACKET = {
  start: 0,
  end: 2,
  metadata: 4,
  videoTsStart: 5,
  audioChannels: 4,
  audioMultitrack: 5,
  videoMultitrack: 6,
  modEx: 7,
};

/** `payload` of an FLV tag or RTMP message with its kind; undefined when it carries nothing a viewer could use. */
export function toMedia(type: number, timestamp: number, payload: Buffer): MediaMessage | undefined {
  if (payload.length === 0) return undefined;
  if (type === VIDEO) return { type, timestamp, payload, ...videoKind(payload) };
  if (type === AUDIO) return { type, timestamp, payload, ...audioKind(payload) };
  if (type === DATA) return dataMessage(timestamp, payload);
  return undefined;
}

interface Kind {
  kind: MediaKind;
  slot: string;
}

const KEY: Kind = { kind: 'key', slot: '' };
const FRAME: Kind = { kind: 'frame', slot: '' };
const SOUND: Kind = { kind: 'audio', slot: '' };

function videoKind(payload: Buffer): Kind {
  const first = payload[0] as number;
  const key = ((first >> 4) & 0x07) === FRAME_KEY;
  if ((first & VIDEO_EXTENDED) === 0) {
    const codec = first & 0x0f;
    const configured = codec === CODEC_AVC || codec === CODEC_HEVC_LEGACY;
    if (configured && payload[1] === 0) return { kind: 'header', slot: 'video' };
    return key && !(configured && payload[1] === 2) ? KEY : FRAME;
  }
  const { packet, track } = extended(payload, PACKET.videoMultitrack);
  if (packet === PACKET.start || packet === PACKET.videoTsStart) return { kind: 'header', slot: `video${track}` };
  if (packet === PACKET.metadata) return { kind: 'header', slot: `video:metadata${track}` };
  return key && packet !== PACKET.end ? KEY : FRAME;
}

function audioKind(payload: Buffer): Kind {
  const format = (payload[0] as number) >> 4;
  if (format === SOUND_AAC) return payload[1] === 0 ? { kind: 'header', slot: 'audio' } : SOUND;
  if (format !== SOUND_EXTENDED) return SOUND;
  const { packet, track } = extended(payload, PACKET.audioMultitrack);
  if (packet === PACKET.start) return { kind: 'header', slot: `audio${track}` };
  if (packet === PACKET.audioChannels) return { kind: 'header', slot: `audio:channels${track}` };
  return SOUND;
}

/** Packet type and track of an enhanced packet, past its modifiers and its multitrack header. */
function extended(payload: Buffer, multitrack: number): { packet: number; track: string } {
  let packet = (payload[0] as number) & 0x0f;
  let at = 1;
  while (packet === PACKET.modEx && at + 2 < payload.length) {
    let size = (payload[at] as number) + 1;
    at += 1;
    if (size === 256) {
      size = payload.readUInt16BE(at) + 1;
      at += 2;
    }
    at += size;
    packet = (payload[at] ?? 0) & 0x0f;
    at += 1;
  }
  if (packet !== multitrack || at + 6 > payload.length) return { packet, track: '' };
  const kind = payload[at] as number;
  // One track: FourCC, then the track's number. Several at once share one header message.
  return { packet: kind & 0x0f, track: kind >> 4 === 0 ? `:${payload[at + 5]}` : ':many' };
}

const SET_DATA_FRAME = amfName('@setDataFrame');
const CLEAR_DATA_FRAME = amfName('@clearDataFrame');
const ON_METADATA = amfName('onMetaData');

function dataMessage(timestamp: number, whole: Buffer): MediaMessage | undefined {
  if (startsWith(whole, CLEAR_DATA_FRAME)) return undefined;
  const payload = startsWith(whole, SET_DATA_FRAME) ? whole.subarray(SET_DATA_FRAME.length) : whole;
  if (payload.length === 0) return undefined;
  const kind = startsWith(payload, ON_METADATA) ? 'metadata' : 'data';
  return { type: DATA, timestamp, payload, kind, slot: '' };
}

function amfName(name: string): Buffer {
  return Buffer.concat([Buffer.from([2, 0, name.length]), Buffer.from(name, 'latin1')]);
}

function startsWith(payload: Buffer, prefix: Buffer): boolean {
  return payload.length >= prefix.length && payload.compare(prefix, 0, prefix.length, 0, prefix.length) === 0;
}
