/** The real ffmpeg and ffprobe, as publisher and as viewer. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A publishing ffmpeg. */
export interface Publishing {
  pid: number;
  /** What ffmpeg wrote to standard error so far (its last 10,000 characters). */
  log(): string;
  /** Resolves when ffmpeg has ended, with its exit status (null: by a signal). */
  ended: Promise<number | null>;
  /** Ends it as a streamer would (q), by SIGTERM. */
  stop(): Promise<void>;
}

/** Publishes `file` to `url` in real time without re-encoding, again and again when `loop`. */
export function publishFile(file: string, url: string, { loop = true }: { loop?: boolean } = {}): Publishing {
  const looping = loop ? ['-stream_loop', '-1'] : [];
  const args = ['-hide_banner', '-loglevel', 'warning', '-re', ...looping, '-i', file, '-c', 'copy', '-f', 'flv', url];
  const child: ChildProcess = spawn('ffmpeg', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-10_000);
  });
  const ended = once(child, 'exit').then(() => child.exitCode);
  return {
    pid: child.pid ?? 0,
    log: () => log,
    ended,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** What ffprobe says of one elementary stream. */
export interface ProbedStream {
  codec_type: 'video' | 'audio';
  codec_name: string;
  width?: number;
  height?: number;
  r_frame_rate?: string;
  sample_rate?: string;
  channels?: number;
}

/** One packet; times in seconds. */
export interface ProbedPacket {
  codec_type: 'video' | 'audio';
  pts_time: string;
  dts_time: string;
  flags: string;
  size: string;
}

/** What a viewer got. */
export interface Probed {
  streams: ProbedStream[];
  packets: ProbedPacket[];
}

/** Plays `url` (or reads a file) with ffprobe for `seconds` of media and tells codecs and packets. */
export async function probe(url: string, seconds: number, timeoutMs = 60_000): Promise<Probed> {
  const args = ['-v', 'error', '-of', 'json', '-show_streams', '-show_packets', '-read_intervals', `%+${seconds}`, url];
  const { stdout } = await run('ffprobe', args, { maxBuffer: 64 * 1024 * 1024, timeout: timeoutMs });
  return JSON.parse(stdout) as Probed;
}
