/**
 * What of a stream HLS can carry, taken out of FLV as it is: H.264, HEVC, AAC and Opus (FLV 10.1 annex E.4, Enhanced
 * RTMP v2). Before it: the hub's messages; after it: the muxer, which puts samples and decoder configuration into boxes.
 */
import { AUDIO, type MediaMessage, VIDEO } from '../stream/media.ts';

/** Decoder configuration of one track. */
export type TrackConfig =
  | { codec: 'avc1' | 'hvc1'; data: Buffer }
  | { codec: 'mp4a' | 'Opus'; data: Buffer; sampleRate: number; channels: number };

/** One sample. `data` is a part of the message's payload: nobody writes to it. */
export interface Sample {
  data: Buffer;
  /** Presentation less decoding time, ms. */
  offsetMs: number;
  isKey: boolean;
}

/** What a message holds; undefined = nothing HLS can carry. */
export type Parsed = { config: TrackConfig } | { sample: Sample } | undefined;

const LEGACY_VIDEO: Record<number, 'avc1' | 'hvc1'> = { 7: 'avc1', 12: 'hvc1' };
const SOUND_AAC = 10;
const SOUND_EXTENDED = 9;
const PACKET_START = 0;
const PACKET_FRAMES = 1;
const PACKET_FRAMES_X = 3;
const OPUS_RATE = 48_000;
const AAC_RATES = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
];

/** Takes a video or audio message apart. */
export function parseMedia({ type, payload, kind }: MediaMessage): Parsed {
  if (type === VIDEO) return parseVideo(payload, kind === 'key');
  return type === AUDIO ? parseAudio(payload) : undefined;
}

function parseVideo(payload: Buffer, isKey: boolean): Parsed {
  const first = payload[0] ?? 0;
  if (payload.length < 6) return undefined;
  if ((first & 0x80) === 0) {
    const codec = LEGACY_VIDEO[first & 0x0f];
    if (!codec) return undefined;
    if (payload[1] === 0) return { config: { codec, data: payload.subarray(5) } };
    if (payload[1] !== 1) return undefined;
    return { sample: { data: payload.subarray(5), offsetMs: payload.readIntBE(2, 3), isKey } };
  }
  const codec = payload.toString('latin1', 1, 5);
  const packet = first & 0x0f;
  if (codec !== 'hvc1' && codec !== 'avc1') return undefined;
  if (packet === PACKET_START) return { config: { codec, data: payload.subarray(5) } };
  if (packet === PACKET_FRAMES_X) return { sample: { data: payload.subarray(5), offsetMs: 0, isKey } };
  if (packet !== PACKET_FRAMES || payload.length < 9) return undefined;
  return { sample: { data: payload.subarray(8), offsetMs: payload.readIntBE(5, 3), isKey } };
}

function parseAudio(payload: Buffer): Parsed {
  const format = (payload[0] ?? 0) >> 4;
  if (format === SOUND_AAC && payload.length > 2) {
    const data = payload.subarray(2);
    return payload[1] === 0 ? aacConfig(data) : { sample: { data, offsetMs: 0, isKey: true } };
  }
  if (format !== SOUND_EXTENDED || payload.length < 6) return undefined;
  const packet = (payload[0] ?? 0) & 0x0f;
  const codec = payload.toString('latin1', 1, 5);
  const data = payload.subarray(5);
  if (codec !== 'Opus' && codec !== 'mp4a') return undefined;
  if (packet === PACKET_FRAMES) return { sample: { data, offsetMs: 0, isKey: true } };
  if (packet !== PACKET_START) return undefined;
  return codec === 'mp4a'
    ? aacConfig(data)
    : { config: { codec, data, sampleRate: OPUS_RATE, channels: data[9] ?? 2 } };
}

/** AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1): object type, rate and channels stand in its first bytes. */
function aacConfig(data: Buffer): Parsed {
  if (data.length < 2) return undefined;
  const bits = data.readUInt16BE(0);
  const index = (bits >> 7) & 0x0f;
  const explicit = index === 0x0f;
  if (explicit && data.length < 5) return undefined;
  const sampleRate = explicit ? (data.readUIntBE(1, 4) >> 7) & 0xffffff : AAC_RATES[index];
  if (!sampleRate) return undefined;
  const channels = explicit ? ((data[4] ?? 0) >> 3) & 0x0f : (bits >> 3) & 0x0f;
  return { config: { codec: 'mp4a', data, sampleRate, channels: channels === 7 ? 8 : channels || 2 } };
}

/** Length of one audio sample in units of the track's rate. Opus says it in its first byte (RFC 6716 §3.1). */
export function audioDuration(codec: 'mp4a' | 'Opus', data: Buffer): number {
  if (codec === 'mp4a') return 1_024;
  const toc = data[0] ?? 0;
  const config = toc >> 3;
  const frameMs =
    config < 12
      ? ([10, 20, 40, 60][config & 3] ?? 20)
      : config < 16
        ? ([10, 20][config & 1] ?? 20)
        : ([2.5, 5, 10, 20][config & 3] ?? 20);
  const code = toc & 3;
  const frames = code === 0 ? 1 : code === 3 ? (data[1] ?? 1) & 0x3f : 2;
  return Math.round((frameMs * frames * OPUS_RATE) / 1_000);
}
