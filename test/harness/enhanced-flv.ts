/**
 * Streams that this machine's ffmpeg can't push: HEVC and Opus in FLV by FourCC (Enhanced RTMP v2), and any timestamps.
 * ffmpeg encodes, this wraps its packets, our own RTMP client publishes them again and again.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { encodeAmf } from '@weir/edge/rtmp/amf0';
import { RtmpClient } from '@weir/edge/rtmp/client';
import { parseRtmpUrl } from '@weir/edge/rtmp/names';
import { CLIP_PATH, type FlvTag, readFlv } from './rtmp-viewer.ts';

const run = promisify(execFile);
const PERIOD_MS = 2 ** 32;
const [AUDIO, VIDEO, DATA] = [8, 9, 18];
/** Of AAC at 48 kHz, rounded; Opus frames have 20 ms. */
const LONGEST_AUDIO_MS = 21;

/** A piece of a stream that can be repeated without a seam. */
export interface Clip {
  /** Headers first; each by its own time from 0 on. */
  tags: FlvTag[];
  lengthMs: number;
}

/** What {@link encodeClip} makes. `avc1` is H.264 by FourCC, which only newer players know. */
export interface ClipCodecs {
  video: 'hvc1' | 'avc1';
  audio: 'Opus' | 'mp4a';
}

const ENCODERS = {
  hvc1: [
    '-c:v',
    'libx265',
    '-preset',
    'ultrafast',
    '-x265-params',
    'keyint=50:min-keyint=50:scenecut=0:log-level=none',
  ],
  avc1: ['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2', '-g', '50', '-keyint_min', '50', '-sc_threshold', '0'],
  Opus: ['-c:a', 'libopus', '-b:a', '64k'],
  mp4a: ['-c:a', 'aac', '-b:a', '64k'],
};

/** Encodes 4 s of a test picture, 640 × 360 at 25 frames/s with a key frame every 2 s, and a tone. */
export async function encodeClip({ video, audio }: ClipCodecs): Promise<Clip> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-clip-'));
  const file = join(folder, 'clip.mp4');
  try {
    await run('ffmpeg', [
      ...['-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=size=640x360:rate=25', '-f', 'lavfi', '-i', 'sine=440:r=48000'],
      ...['-t', '4', '-pix_fmt', 'yuv420p', ...ENCODERS[video], ...ENCODERS[audio], '-ac', '2', file],
    ]);
    const { stdout } = await run('ffprobe', ['-v', 'error', '-show_packets', '-of', 'json', file], {
      maxBuffer: 16_777_216,
    });
    const { packets } = JSON.parse(stdout) as { packets: ProbedPacket[] };
    return wrap(readFileSync(file), packets, { video, audio });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The bundled clip: 720p25 H.264 with a key frame every 2 s, AAC, 8 s. */
export function demoClip(): Clip {
  return {
    tags: readFlv(CLIP_PATH).filter(({ payload }) => !(payload[0] === 0x17 && payload[1] === 2)),
    lengthMs: 8_000,
  };
}

interface ProbedPacket {
  codec_type: 'video' | 'audio';
  pts_time: string;
  dts_time: string;
  flags: string;
  size: string;
  pos: string;
}

function wrap(file: Buffer, packets: readonly ProbedPacket[], { video, audio }: ClipCodecs): Clip {
  const fourCc = { video: Buffer.from(video, 'latin1'), audio: Buffer.from(audio, 'latin1') };
  const configs: FlvTag[] = [
    {
      type: DATA,
      timestamp: 0,
      payload: encodeAmf('@setDataFrame', 'onMetaData', { width: 640, height: 360, framerate: 25 }),
    },
    {
      type: VIDEO,
      timestamp: 0,
      payload: Buffer.concat([Buffer.from([0x90]), fourCc.video, boxOf(file, video === 'hvc1' ? 'hvcC' : 'avcC')]),
    },
    {
      type: AUDIO,
      timestamp: 0,
      payload: Buffer.concat([
        Buffer.from([0x90]),
        fourCc.audio,
        audio === 'Opus' ? opusHead() : Buffer.from('1190', 'hex'),
      ]),
    },
  ];
  // B-frames put decoding times before 0: the first one is our 0.
  const firstMs = (some: readonly ProbedPacket[]) => Math.min(...some.map(({ dts_time }) => Number(dts_time) * 1_000));
  const startMs = firstMs(packets.filter(isVideo));
  const audioStartMs = firstMs(packets.filter((packet) => !isVideo(packet)));
  const media = packets.map((packet): FlvTag => {
    const at = Number(packet.pos);
    const data = file.subarray(at, at + Number(packet.size));
    const dtsMs = Math.round(Number(packet.dts_time) * 1_000 - (isVideo(packet) ? startMs : audioStartMs));
    if (!isVideo(packet)) {
      return { type: AUDIO, timestamp: dtsMs, payload: Buffer.concat([Buffer.from([0x91]), fourCc.audio, data]) };
    }
    const head = Buffer.alloc(8);
    head[0] = packet.flags.startsWith('K') ? 0x91 : 0xa1;
    fourCc.video.copy(head, 1);
    head.writeIntBE(Math.round(Number(packet.pts_time) * 1_000 - startMs) - dtsMs, 5, 3);
    return { type: VIDEO, timestamp: dtsMs, payload: Buffer.concat([head, data]) };
  });
  // Encoders fill up the last audio frame: it would overlap the next round.
  const lengthMs = 4_000;
  const whole = media.filter(({ type, timestamp }) => type === VIDEO || timestamp + LONGEST_AUDIO_MS <= lengthMs);
  return { tags: [...configs, ...whole.sort((a, b) => a.timestamp - b.timestamp)], lengthMs };
}

function isVideo({ codec_type }: ProbedPacket): boolean {
  return codec_type === 'video';
}

/** What is in the first box of this type. */
function boxOf(file: Buffer, type: string): Buffer {
  const at = file.indexOf(type, 0, 'latin1');
  if (at < 0) throw new Error(`The encoded file has no ${type}.`);
  return file.subarray(at + 4, at - 4 + file.readUInt32BE(at - 4));
}

/** RFC 7845 §5.1: two channels, 312 samples to skip. */
function opusHead(): Buffer {
  const head = Buffer.alloc(19);
  head.write('OpusHead', 'latin1');
  head.set([1, 2], 8);
  head.writeUInt16LE(312, 10);
  head.writeUInt32LE(48_000, 12);
  return head;
}

/** A running publisher. */
export interface ClipPublishing {
  /** Timestamp of the newest message, ms, not wrapped. */
  readonly atMs: number;
  /** From now on timestamps are others: the publisher counts anew from `ms`. */
  countFrom(ms: number): void;
  close(): Promise<void>;
}

/** Publishes `clip` again and again in real time. @param startMs its first timestamp; sent modulo 2^32. */
export async function publishClipFrom(url: string, clip: Clip, startMs = 0): Promise<ClipPublishing> {
  const at = parseRtmpUrl(url);
  if (!at) throw new Error(`"${url}" is no RTMP URL`);
  const client = await RtmpClient.connect({ ...at });
  await client.publish(at.name);
  const first = performance.now();
  let [baseMs, round, next, newestMs] = [startMs, 0, 0, startMs];
  const timer = setInterval(() => {
    const playedMs = performance.now() - first;
    for (;;) {
      const tag = clip.tags[next] as FlvTag;
      const dueMs = round * clip.lengthMs + tag.timestamp;
      if (dueMs > playedMs || client.socket.destroyed) return;
      newestMs = baseMs + dueMs;
      client.send(tag.type, newestMs % PERIOD_MS, tag.payload);
      next += 1;
      if (next === clip.tags.length) [next, round] = [0, round + 1];
    }
  }, 10);
  return {
    get atMs() {
      return newestMs;
    },
    countFrom(ms) {
      baseMs = ms - (performance.now() - first);
    },
    async close() {
      clearInterval(timer);
      await client.end(at.name);
    },
  };
}
