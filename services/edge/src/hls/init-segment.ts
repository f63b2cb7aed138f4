/**
 * The initialization segment: what a decoder must know before the first sample (ISO/IEC 14496-12 §8, -15 for AVC and HEVC,
 * -14 for AAC, "Encapsulation of Opus in ISOBMFF" for Opus). Its bytes follow from the decoder configuration alone.
 */
import { box, fullBox, UNITY_MATRIX, u8, u16, u32 } from './boxes.ts';
import type { TrackConfig } from './codecs.ts';

/** Tracks of a stream; at least one of them. Picture size as the publisher's metadata says it. */
export interface Tracks {
  video: (TrackConfig & { codec: 'avc1' | 'hvc1' }) | undefined;
  audio: (TrackConfig & { codec: 'mp4a' | 'Opus' }) | undefined;
  width: number;
  height: number;
}

export const VIDEO_TRACK = 1;
export const AUDIO_TRACK = 2;
/** Video times are the publisher's milliseconds as they are. */
export const VIDEO_TIMESCALE = 1_000;

/** `ftyp` and `moov` with empty sample tables: all samples come in fragments. */
export function initSegment(tracks: Tracks): Buffer {
  const ftyp = box('ftyp', Buffer.from('iso6\0\0\0\0iso6cmfcmp41', 'latin1'));
  const traks: Buffer[] = [];
  const trex: Buffer[] = [];
  if (tracks.video) {
    traks.push(videoTrack(tracks.video, tracks.width, tracks.height));
    trex.push(fullBox('trex', 0, 0, u32(VIDEO_TRACK, 1, 0, 0, 0)));
  }
  if (tracks.audio) {
    traks.push(audioTrack(tracks.audio));
    trex.push(fullBox('trex', 0, 0, u32(AUDIO_TRACK, 1, 0, 0, 0)));
  }
  const mvhd = fullBox(
    'mvhd',
    0,
    0,
    u32(0, 0, 1_000, 0, 0x10000),
    u16(0x0100, 0),
    u32(0, 0),
    UNITY_MATRIX,
    Buffer.alloc(24),
    u32(3),
  );
  return Buffer.concat([ftyp, box('moov', mvhd, ...traks, box('mvex', ...trex))]);
}

function videoTrack(config: NonNullable<Tracks['video']>, width: number, height: number): Buffer {
  const configBox = box(config.codec === 'avc1' ? 'avcC' : 'hvcC', config.data);
  const entry = box(
    config.codec,
    ...[Buffer.alloc(6), u16(1), Buffer.alloc(16), u16(width, height), u32(0x480000, 0x480000, 0), u16(1)],
    ...[Buffer.alloc(32), u16(0x18, 0xffff), configBox],
  );
  const vmhd = fullBox('vmhd', 0, 1, Buffer.alloc(8));
  return track(VIDEO_TRACK, VIDEO_TIMESCALE, 'vide', vmhd, entry, { width, height, volume: 0 });
}

function audioTrack(config: NonNullable<Tracks['audio']>): Buffer {
  const { codec, data, sampleRate, channels } = config;
  // The field has 16 bits; rates beyond stand in the decoder's configuration.
  const rate = sampleRate > 0xffff ? 0 : sampleRate;
  const entry = box(
    codec,
    ...[Buffer.alloc(6), u16(1), Buffer.alloc(8), u16(channels, 16, 0, 0), u16(rate, 0)],
    codec === 'mp4a' ? esds(data) : dOps(data),
  );
  return track(AUDIO_TRACK, sampleRate, 'soun', fullBox('smhd', 0, 0, Buffer.alloc(4)), entry, {
    width: 0,
    height: 0,
    volume: 0x0100,
  });
}

function track(
  id: number,
  timescale: number,
  handler: 'vide' | 'soun',
  header: Buffer,
  entry: Buffer,
  { width, height, volume }: { width: number; height: number; volume: number },
): Buffer {
  const tkhd = fullBox(
    'tkhd',
    0,
    3,
    u32(0, 0, id, 0, 0),
    Buffer.alloc(8),
    u16(0, 0, volume, 0),
    UNITY_MATRIX,
    u32(width << 16, height << 16),
  );
  const mdhd = fullBox('mdhd', 0, 0, u32(0, 0, timescale, 0), u16(0x55c4, 0));
  const hdlr = fullBox(
    'hdlr',
    0,
    0,
    u32(0),
    Buffer.from(handler, 'latin1'),
    Buffer.alloc(12),
    Buffer.from('weir\0', 'latin1'),
  );
  const dinf = box('dinf', fullBox('dref', 0, 0, u32(1), fullBox('url ', 0, 1)));
  const stbl = box(
    'stbl',
    fullBox('stsd', 0, 0, u32(1), entry),
    fullBox('stts', 0, 0, u32(0)),
    fullBox('stsc', 0, 0, u32(0)),
    fullBox('stsz', 0, 0, u32(0, 0)),
    fullBox('stco', 0, 0, u32(0)),
  );
  return box('trak', tkhd, box('mdia', mdhd, hdlr, box('minf', header, dinf, stbl)));
}

/** Elementary stream descriptor (ISO/IEC 14496-1 §7.2.6.5): MPEG-4 audio with its AudioSpecificConfig. */
function esds(config: Buffer): Buffer {
  const descriptor = (tag: number, ...parts: Buffer[]) => {
    const body = Buffer.concat(parts);
    return Buffer.concat([u8(tag, 0x80, 0x80, 0x80, body.length), body]);
  };
  const decoder = descriptor(0x04, u8(0x40, 0x15, 0, 0, 0), u32(0, 0), descriptor(0x05, config));
  return fullBox('esds', 0, 0, descriptor(0x03, u16(AUDIO_TRACK), u8(0), decoder, descriptor(0x06, u8(0x02))));
}

/** From the OpusHead a publisher sends (RFC 7845 §5.1, little-endian) to the box (big-endian). */
function dOps(head: Buffer): Buffer {
  const known = head.length >= 19 && head.toString('latin1', 0, 8) === 'OpusHead';
  if (!known) return box('dOps', u8(0, 2), u16(312), u32(48_000), u16(0), u8(0));
  return box(
    'dOps',
    u8(0, head[9] ?? 2),
    u16(head.readUInt16LE(10)),
    u32(head.readUInt32LE(12)),
    u16(head.readUInt16LE(16)),
    head.subarray(18),
  );
}
