/** A clip unlike the demo clip, made by ffmpeg: what viewers are shown tells which of the two it is. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readFlv } from '@weir/test/harness/rtmp-viewer';

/** Two seconds of H.264 (25 pictures a second, GOP 1 s) and AAC. */
export async function makeClip() {
  const folder = mkdtempSync(join(tmpdir(), 'weir-filler-'));
  const path = join(folder, 'filler.flv');
  const height = 180;
  const video = ['-f', 'lavfi', '-i', `testsrc2=size=320x${height}:rate=25`];
  const audio = ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=44100'];
  const codecs = ['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-g', '25', '-pix_fmt', 'yuv420p'];
  const args = ['-v', 'error', ...video, ...audio, '-t', '2', ...codecs, '-c:a', 'aac', '-ac', '2', path];
  await promisify(execFile)('ffmpeg', args);
  const header = readFlv(path).find(({ type, payload }) => type === 9 && payload[1] === 0);
  if (!header) throw new Error('ffmpeg made a clip without a decoder configuration');
  return { path, height, videoHeader: header.payload, remove: () => rmSync(folder, { recursive: true }) };
}
