// Other people's programs against our node: mpv, VLC, rtmpdump and GStreamer play, nginx-rtmp pulls from us and pushes to us.
import assert from 'node:assert/strict';
import { execFile, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { type DebianProgram, whyWithout } from '@weir/test/harness/debian-tools';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { type Probed, probe, publishFile } from '@weir/test/harness/ffmpeg';
import { startNginx } from '@weir/test/harness/nginx-rtmp';
import { CLIP_PATH, type ClipPublisher, publishClip } from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';

const run = promisify(execFile);
const INSTALL_MS = 300_000;
/** About six seconds of the clip. */
const RECORDED_BYTES = 600_000;
/** A player that has not shown three seconds after so long never will. */
const PLAYER_MS = 40_000;
/** The user `nobody`. */
const NOBODY = 65_534;

describe('interoperation', { timeout: 2 * INSTALL_MS, concurrency: 4 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-interop-'));
  let node: TestNode;
  let publisher: ClipPublisher;
  before(async () => {
    node = await startTestNode({ stream: { notFoundWaitMs: 20_000 } });
    publisher = await publishClip(node.rtmpUrl('live/clip'));
  });
  after(async () => {
    await publisher?.close();
    await node?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Runs the test if its programs are here or can be installed; else it is skipped, loudly. */
  const withPrograms = (title: string, programs: readonly DebianProgram[], work: () => Promise<void>) => {
    it(title, { timeout: INSTALL_MS + 60_000 }, async (context) => {
      const why = await whyWithout(programs);
      if (why !== undefined) context.skip(why);
      else await work();
    });
  };

  for (const [protocol, url] of [
    ['RTMP', () => node.rtmpUrl('live/clip')],
    ['HTTP-FLV', () => node.httpUrl('/live/clip.flv')],
  ] as const) {
    withPrograms(`mpv decodes three seconds by ${protocol}`, ['mpv'], async () => {
      // It ends with status 0 when it has shown so many frames, and with 2 when it cannot play.
      const quiet = ['--no-config', '--vo=null', '--ao=null', '--untimed', '--load-scripts=no', '--msg-level=all=warn'];
      const { stdout } = await run('mpv', [...quiet, '--frames=75', url()], { timeout: PLAYER_MS });
      assert.doesNotMatch(stdout, /error|corrupt|invalid|non-existing/i);
    });

    withPrograms(`VLC plays ${protocol}, and what it got is whole`, ['vlc'], async () => {
      const file = join(folder, `vlc-${protocol}.ts`);
      // VLC does not run as root.
      const user = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
      chmodSync(folder, 0o777);
      const sout = `#std{access=file,mux=ts,dst=${file}}`;
      const args = ['-I', 'dummy', '--no-media-library', '--sout', sout, url()];
      await records('vlc', args, file, { ...user, env: { ...process.env, HOME: folder } });
      // Its muxer gives the first frames a time of their own: the whole file is read, and judged from there on.
      await holdsClip(file, { seconds: 1_000_000, fromFrame: 2 });
    });
  }

  withPrograms('rtmpdump records a stream that is whole', ['rtmpdump'], async () => {
    const file = join(folder, 'rtmpdump.flv');
    await records('rtmpdump', ['-q', '--live', '-r', node.rtmpUrl('live/clip'), '-o', file], file);
    await holdsClip(file);
  });

  withPrograms('GStreamer records a stream that is whole', ['gst-launch-1.0'], async () => {
    const file = join(folder, 'gstreamer.flv');
    const pipeline = ['rtmp2src', `location=${node.rtmpUrl('live/clip')}`, '!', 'filesink', `location=${file}`];
    await records('gst-launch-1.0', ['-q', ...pipeline], file);
    await holdsClip(file);
  });

  withPrograms('nginx-rtmp pulls a stream from us, and pushes one to us', ['nginx'], async () => {
    const us = node.addresses.rtmp;
    const nginx = await startNginx(
      `application pulled { live on; pull rtmp://${us}/live/clip name=clip static; }
       application pushed { live on; push rtmp://${us}/pushed; }`,
    );
    try {
      const pulled = await waitFor('nginx to have it', () => probe(nginx.url('pulled/clip'), 1, 10_000));
      hasCodecs(pulled);
      const ffmpeg = publishFile(CLIP_PATH, nginx.url('pushed/clip'));
      const played = await probe(node.rtmpUrl('pushed/clip'), 2, 30_000);
      hasCodecs(played);
      await ffmpeg.stop();
    } finally {
      await nginx.close();
    }
  });

  /** Lets a program record into `file` until it has some seconds, and ends it: neither ends with a live stream by itself. */
  async function records(
    program: DebianProgram,
    args: string[],
    file: string,
    options: SpawnOptions = {},
  ): Promise<void> {
    const child = spawn(program, args, { stdio: 'ignore', ...options });
    const ended = once(child, 'exit');
    try {
      await waitFor('a recording', () => (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > RECORDED_BYTES);
    } finally {
      child.kill('SIGTERM');
      await ended;
    }
  }

  /** H.264 and AAC, at least two seconds, every frame 40 ms after the one before, from frame `fromFrame` on. */
  async function holdsClip(file: string, { seconds = 3, fromFrame = 0 } = {}): Promise<void> {
    const probed = await probe(file, seconds);
    hasCodecs(probed);
    const times = probed.packets
      .filter(({ codec_type }) => codec_type === 'video')
      .map(({ dts_time }) => Number(dts_time));
    const steps = new Set(
      times.slice(fromFrame + 1).map((time, i) => Math.round((time - (times[fromFrame + i] ?? 0)) * 1_000)),
    );
    assert.ok(times.length >= 50, `${times.length} frames`);
    assert.deepEqual([...steps], [40]);
  }
});

/** H.264 and AAC; messages of other programs' own may be a third stream. */
function hasCodecs({ streams }: Probed): void {
  const codecs = new Set(streams.map(({ codec_name }) => codec_name));
  assert.ok(codecs.has('h264') && codecs.has('aac'), [...codecs].join());
}
