/**
 * HLS of every kind of stream: HEVC, Opus and H.264 by FourCC, over the wrap of timestamps after 49.7 days, of a publisher
 * that counts anew, and from an edge that was killed. Files are compared byte for byte and read by ffprobe and ffmpeg.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { startNodeProcess } from '@weir/test/harness/edge-process';
import { type ClipCodecs, demoClip, encodeClip, publishClipFrom } from '@weir/test/harness/enhanced-flv';
import { startNats, type TestNats } from '@weir/test/harness/nats';
import { waitFor } from '@weir/test/harness/wait';

const run = promisify(execFile);
const PERIOD_MS = 2 ** 32;

interface Reachable {
  httpUrl(path: string): string;
}

/** The complete segments of a stream as a node lists them now. */
async function segmentsOf(node: Reachable, stream: string): Promise<{ init: string; uris: string[] }> {
  const answer = await fetch(node.httpUrl(`/live/${stream}.m3u8?session=test`));
  const text = await answer.text();
  return {
    init: /#EXT-X-MAP:URI="([^"]+)"/.exec(text)?.[1] ?? '',
    uris: text.split('\n').filter((line) => /-\d+\.m4s/.test(line) && !line.startsWith('#')),
  };
}

async function bytesOf(node: Reachable, uri: string): Promise<Buffer> {
  const answer = await fetch(node.httpUrl(`/live/${uri}`));
  assert.equal(answer.status, 200, uri);
  return Buffer.from(await answer.arrayBuffer());
}

const numberOf = (uri: string) => Number(/-(\d+)\.m4s/.exec(uri)?.[1]);

describe('HLS of all kinds of streams', { concurrency: true }, () => {
  let nats: TestNats;
  let edges: TestNode[] = [];
  const folder = mkdtempSync(join(tmpdir(), 'weir-hls-'));
  const config = (name: string) => ({
    node: { name },
    nats: { servers: [nats.url] },
    stream: { publisherGraceMs: 500 },
  });
  const first = () => edges[0] as TestNode;
  const second = () => edges[1] as TestNode;

  before(async () => {
    nats = await startNats();
    edges = [await startTestNode(config('hls-a')), await startTestNode(config('hls-b'))];
  });
  after(async () => {
    for (const edge of edges) await edge.close();
    await nats?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Waits for so many segments of `node`, and writes them with their beginning as one file. */
  const download = async (node: Reachable, stream: string, count: number) => {
    const { init, uris } = await waitFor(`${count} segments`, async () => {
      const found = await segmentsOf(node, stream);
      return found.uris.length >= count ? found : undefined;
    });
    const parts = await Promise.all([init, ...uris].map((uri) => bytesOf(node, uri)));
    const file = join(folder, `${stream}.mp4`);
    writeFileSync(file, Buffer.concat(parts));
    return { file, uris };
  };
  /** Holds that ffmpeg decodes the file without a word; gives its streams and packets. */
  const decode = async (file: string) => {
    const decoded = await run('ffmpeg', ['-v', 'warning', '-i', file, '-f', 'null', '-']);
    assert.equal(decoded.stderr, '', 'ffmpeg decodes it without a word');
    const probed = await run('ffprobe', ['-v', 'error', '-show_streams', '-show_packets', '-of', 'json', file], {
      maxBuffer: 16_777_216,
    });
    return JSON.parse(probed.stdout) as {
      streams: { codec_name: string; codec_tag_string: string; width?: number; sample_rate?: string }[];
      packets: { codec_type: string; dts_time: string; pts_time: string }[];
    };
  };
  const steps = (times: readonly number[]) => times.slice(1).map((time, index) => time - (times[index] ?? 0));

  const kinds: (ClipCodecs & { names: string[]; tags: string[]; codecs: RegExp; audioSeconds: number })[] = [
    {
      ...{ video: 'hvc1', audio: 'Opus', names: ['hevc', 'opus'], tags: ['hvc1', 'Opus'], audioSeconds: 0.02 },
      codecs: /^hvc1\.1\.6\.[LH]\d+(\.[0-9a-f]+)*,opus$/,
    },
    {
      ...{ video: 'avc1', audio: 'mp4a', names: ['h264', 'aac'], tags: ['avc1', 'mp4a'], audioSeconds: 1_024 / 48_000 },
      codecs: /^avc1\.[0-9a-f]{6},mp4a\.40\.2$/,
    },
  ];
  for (const { names, tags, codecs, audioSeconds, ...clip } of kinds) {
    it(`passes ${names.join(' and ')} by FourCC through as they are, with every frame at its time`, async (test) => {
      const publisher = await publishClipFrom(first().rtmpUrl(`live/${clip.video}`), await encodeClip(clip));
      test.after(() => publisher.close());
      const { file } = await download(second(), clip.video, 2);
      const choice = await (await fetch(second().httpUrl(`/live/${clip.video}.m3u8`))).text();
      assert.match(/CODECS="([^"]+)"/.exec(choice)?.[1] ?? '', codecs);
      const { streams, packets } = await decode(file);
      assert.deepEqual(
        streams.map(({ codec_name }) => codec_name),
        names,
      );
      assert.deepEqual(
        streams.map(({ codec_tag_string }) => codec_tag_string),
        tags,
      );
      assert.deepEqual([streams[0]?.width, streams[1]?.sample_rate], [640, '48000']);
      const video = packets.filter(({ codec_type }) => codec_type === 'video');
      assert.ok(video.length >= 100, `${video.length} frames`);
      for (const step of steps(video.map(({ dts_time }) => Number(dts_time))))
        assert.ok(Math.abs(step - 0.04) < 0.003, `${step} s`);
      assert.ok(
        video.some(({ pts_time, dts_time }) => Number(pts_time) - Number(dts_time) > 0.04),
        'some frames are shown later than they are decoded (B-frames)',
      );
      const audio = packets.filter(({ codec_type }) => codec_type === 'audio').map(({ dts_time }) => Number(dts_time));
      for (const step of steps(audio)) assert.ok(Math.abs(step - audioSeconds) < 0.022, `${step} s`);
      const mean = ((audio.at(-1) ?? 0) - (audio[0] ?? 0)) / (audio.length - 1);
      assert.ok(Math.abs(mean - audioSeconds) < 0.001, `${mean} s a packet`);
    });
  }

  it('goes on over the wrap of timestamps, with the same names and bytes from who came before and after it', async (test) => {
    const publisher = await publishClipFrom(first().rtmpUrl('live/wrap'), demoClip(), PERIOD_MS - 5_000);
    test.after(() => publisher.close());
    await segmentsOf(first(), 'wrap');
    await waitFor('the wrap', () => publisher.atMs > PERIOD_MS + 1_000);
    // This one has never seen a timestamp from before it.
    await segmentsOf(second(), 'wrap');
    const common = await waitFor('two segments that both have', async () => {
      const [a, b] = await Promise.all([segmentsOf(first(), 'wrap'), segmentsOf(second(), 'wrap')]);
      const both = a.uris.filter((uri) => b.uris.includes(uri));
      return both.length >= 2 && both;
    });
    for (const uri of common)
      assert.ok((await bytesOf(first(), uri)).equals(await bytesOf(second(), uri)), `${uri} is the same`);
    const { file, uris } = await download(first(), 'wrap', 4);
    const numbers = uris.map(numberOf);
    assert.deepEqual(steps(numbers), steps(numbers).fill(1), 'numbers follow each other over the wrap');
    const { packets } = await decode(file);
    const times = packets.filter(({ codec_type }) => codec_type === 'video').map(({ dts_time }) => Number(dts_time));
    for (const step of steps(times)) assert.ok(Math.abs(step - 0.04) < 0.003, `${step} s between frames`);
  });

  it('follows a publisher that counts anew, without files of one name and other bytes', async (test) => {
    const publisher = await publishClipFrom(first().rtmpUrl('live/anew'), demoClip(), 3_600_000);
    test.after(() => publisher.close());
    await waitFor('segments', async () => (await segmentsOf(second(), 'anew')).uris.length > 0);
    publisher.countFrom(0);
    const { file } = await waitFor('segments of the new count', async () => {
      const { uris } = await segmentsOf(second(), 'anew');
      return (
        uris.length > 1 && Math.max(...uris.map(numberOf)) < Date.now() / 2_000 + 900 && download(second(), 'anew', 2)
      );
    });
    await decode(file);
  });

  it('gives the same files from an edge that was killed and started again', async (test) => {
    const publisher = await publishClipFrom(first().rtmpUrl('live/again'), demoClip());
    test.after(() => publisher.close());
    await segmentsOf(first(), 'again');
    const killed = await startNodeProcess(config('hls-k'));
    test.after(() => killed.close());
    await waitFor('a segment', async () => (await segmentsOf(killed, 'again')).uris.length > 0);
    await killed.kill9();
    const started = await startNodeProcess(config('hls-k'));
    test.after(() => started.close());
    const common = await waitFor('segments that both have', async () => {
      const [a, b] = await Promise.all([segmentsOf(first(), 'again'), segmentsOf(started, 'again')]);
      const both = a.uris.filter((uri) => b.uris.includes(uri));
      return both.length >= 2 && both;
    });
    for (const uri of common)
      assert.ok((await bytesOf(first(), uri)).equals(await bytesOf(started, uri)), `${uri} is the same`);
  });
});
