/** HLS from real nodes: playlists and files by the standard, the same from every edge, checked by ffprobe. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { type Publishing, publishFile } from '@weir/test/harness/ffmpeg';
import { startNats, type TestNats } from '@weir/test/harness/nats';
import { waitFor } from '@weir/test/harness/wait';

const CLIP = fileURLToPath(new URL('../../services/cli/assets/demo.flv', import.meta.url));
const run = promisify(execFile);

/** What a test looks at in a playlist. */
function read(text: string) {
  const uris = [...text.matchAll(/^(\S+\/hls\/\w+-(\d+)\.m4s\?\S*)$/gm)].map(([, uri = '', number]) => ({
    uri,
    name: /[\w-]+\.m4s/.exec(uri)?.[0] ?? '',
    number: Number(number),
  }));
  const parts = [
    ...text.matchAll(/#EXT-X-PART:DURATION=([\d.]+),URI="([^"]+-(\d+)\.(\d+)\.m4s[^"]*)"(,INDEPENDENT=YES)?/g),
  ].map(([, duration, uri = '', segment, part, independent]) => ({
    duration: Number(duration),
    uri,
    segment: Number(segment),
    part: Number(part),
    independent: independent !== undefined,
  }));
  return {
    uris,
    parts,
    init: /#EXT-X-MAP:URI="([^"]+)"/.exec(text)?.[1] ?? '',
    first: Number(/#EXT-X-MEDIA-SEQUENCE:(\d+)/.exec(text)?.[1]),
    hint: /#EXT-X-PRELOAD-HINT:TYPE=PART,URI="([^"]+)"/.exec(text)?.[1] ?? '',
    partTarget: Number(/PART-TARGET=([\d.]+)/.exec(text)?.[1]),
  };
}

describe('HLS', () => {
  let nats: TestNats;
  let edges: TestNode[] = [];
  let publisher: Publishing;
  const folder = mkdtempSync(join(tmpdir(), 'weir-hls-'));
  const [first, second] = [() => edges[0] as TestNode, () => edges[1] as TestNode];
  const text = async (node: TestNode, path: string) => {
    const answer = await fetch(node.httpUrl(path));
    return { status: answer.status, headers: answer.headers, body: await answer.text() };
  };
  const bytes = async (node: TestNode, uri: string) => {
    const answer = await fetch(node.httpUrl(`/live/${uri}`));
    assert.equal(answer.status, 200, uri);
    return Buffer.from(await answer.arrayBuffer());
  };
  const playlist = async (node: TestNode, query = '?session=test') =>
    read((await text(node, `/live/hls-demo.m3u8${query}`)).body);

  before(async () => {
    nats = await startNats();
    const stream = { publisherGraceMs: 1_000, notFoundWaitMs: 500 };
    const config = (name: string) => ({ node: { name }, nats: { servers: [nats.url] }, stream });
    edges = [await startTestNode(config('hls-a')), await startTestNode(config('hls-b'))];
    publisher = publishFile(CLIP, first().rtmpUrl('live/hls-demo'));
    await waitFor('the stream', async () => (await text(first(), '/streams')).body.includes('hls-demo'));
  });
  after(async () => {
    await publisher?.stop();
    for (const edge of edges) await edge.close();
    await nats?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('answers the first request with a part that a decoder can start from', async () => {
    const first = await text(second(), '/live/hls-demo.m3u8');
    assert.equal(first.status, 200);
    assert.equal(first.headers.get('content-type'), 'application/vnd.apple.mpegurl');
    assert.equal(first.headers.get('access-control-allow-origin'), '*');
    assert.equal(first.headers.get('x-weir-node'), 'hls-b');
    assert.match(
      first.body,
      /#EXT-X-STREAM-INF:BANDWIDTH=\d{6,},AVERAGE-BANDWIDTH=\d{6,},CODECS="avc1\.[0-9a-f]{6},mp4a\.40\.2",RESOLUTION=1280x720\n/,
    );
    const [, variant = ''] = /^(hls-demo\.m3u8\?session=[\w-]+)$/m.exec(first.body) ?? [];
    const { status, headers, body } = await text(second(), `/live/${variant}`);
    assert.equal(status, 200);
    assert.equal(headers.get('x-weir-connection'), first.headers.get('x-weir-connection'), 'one viewer');
    const { parts } = read(body);
    assert.equal(parts[0]?.independent, true);
    assert.equal(parts[0]?.part, 0);
  });

  it('gives each part when it is there, to those who wait for it, and keeps within its targets', async () => {
    let seen = await playlist(second());
    for (let i = 0; i < 6; i++) {
      const last = seen.parts.at(-1);
      assert.ok(last);
      const next = await playlist(second(), `?session=test&_HLS_msn=${last.segment}&_HLS_part=${last.part + 1}`);
      const newest = next.parts.at(-1);
      assert.ok(newest && (newest.segment > last.segment || newest.part > last.part), 'a newer part');
      seen = next;
    }
    for (const { duration } of seen.parts) assert.ok(duration > 0 && duration <= seen.partTarget, `${duration} s`);
    const hinted = await bytes(second(), seen.hint);
    assert.ok(hinted.length > 1_000, 'a hinted part may be asked for before it is there');
  });

  it('makes the same names and the same bytes on every edge', async () => {
    await playlist(first());
    const both = await waitFor('a segment both edges have', async () => {
      const [a, b] = await Promise.all([playlist(first()), playlist(second())]);
      const common = a.uris.filter(({ number }) => b.uris.some((other) => other.number === number));
      return common.length >= 2 && { uris: common.map(({ uri }) => uri), init: [a.init, b.init] };
    });
    assert.equal(both.init[0], both.init[1]);
    for (const uri of [...both.uris, both.init[0] ?? '']) {
      const [a, b] = await Promise.all([bytes(first(), uri), bytes(second(), uri)]);
      assert.ok(a.equals(b), `${uri} is the same`);
    }
  });

  it('is valid MP4 with the codecs, size and timing of the source', async () => {
    const seen = await waitFor('three segments', async () => {
      const found = await playlist(second());
      return found.uris.length >= 3 ? found : undefined;
    });
    const numbers = seen.uris.map(({ number }) => number);
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => seen.first + index),
      'numbers follow each other',
    );
    const buffers = [await bytes(second(), seen.init)];
    for (const { uri } of seen.uris) buffers.push(await bytes(second(), uri));
    const file = join(folder, 'out.mp4');
    writeFileSync(file, Buffer.concat(buffers));
    const decoded = await run('ffmpeg', ['-v', 'warning', '-i', file, '-f', 'null', '-']);
    assert.equal(decoded.stderr, '', 'ffmpeg decodes it without a word');
    const probed = await run('ffprobe', ['-v', 'error', '-show_streams', '-show_packets', '-of', 'json', file]);
    const { streams, packets } = JSON.parse(probed.stdout) as {
      streams: { codec_name: string; width?: number; height?: number; sample_rate?: string }[];
      packets: { codec_type: string; dts_time: string; flags: string }[];
    };
    assert.deepEqual(
      streams.map(({ codec_name, width, height, sample_rate }) => [codec_name, width ?? sample_rate, height ?? 0]),
      [
        ['h264', 1_280, 720],
        ['aac', '48000', 0],
      ],
    );
    const video = packets.filter(({ codec_type }) => codec_type === 'video');
    assert.equal(video.length, seen.uris.length * 50, '25 frames a second, segments of 2 s');
    for (const [index, { dts_time }] of video.entries()) {
      const step = Number(dts_time) - Number(video[index - 1]?.dts_time ?? Number(dts_time) - 0.04);
      assert.ok(Math.abs(step - 0.04) < 0.002, `frame ${index} comes ${step} s after the one before`);
    }
    const audio = packets.filter(({ codec_type }) => codec_type === 'audio').map(({ dts_time }) => Number(dts_time));
    for (const [index, time] of audio.entries()) {
      const step = time - (audio[index - 1] ?? time - 1_024 / 48_000);
      assert.ok(Math.abs(step - 1_024 / 48_000) < 0.0021, `audio ${index} comes ${step} s after the one before`);
    }
  });

  it('can be played by ffprobe from its address', async () => {
    const { stdout } = await run('ffprobe', [
      '-v',
      'error',
      '-show_entries',
      'stream=codec_name',
      '-of',
      'csv=p=0',
      second().httpUrl('/live/hls-demo.m3u8'),
    ]);
    assert.deepEqual([...new Set(stdout.trim().split('\n').filter(Boolean))].sort(), ['aac', 'h264']);
  });

  it('counts a viewer by its session, with its bytes', async () => {
    const viewers = () =>
      second()
        .stats()
        .connections.find(({ role, protocol }) => role === 'viewer' && protocol === 'hls');
    const before = viewers()?.opened ?? 0;
    const bytesOut = () =>
      second()
        .stats()
        .io.find(({ role }) => role === 'viewer')?.bytesOut ?? 0;
    const sent = bytesOut();
    for (let i = 0; i < 3; i++) {
      const seen = await playlist(second(), '?session=hls-viewer-1');
      await bytes(second(), seen.parts.at(-1)?.uri ?? '');
    }
    await playlist(second(), '?session=hls-viewer-2');
    assert.equal(viewers()?.opened, before + 2);
    assert.ok(bytesOut() - sent > 10_000, `${bytesOut() - sent} bytes`);
  });

  it('answers 404 to what is not there and 400 to what is asked for too early', async () => {
    assert.equal((await text(second(), '/live/nobody.m3u8')).status, 404);
    assert.equal((await text(second(), '/live/hls-demo/hls/1.m4s')).status, 404);
    const { first: number } = await playlist(second());
    assert.equal((await text(second(), `/live/hls-demo.m3u8?session=test&_HLS_msn=${number + 100}`)).status, 400);
  });

  it('lets in who has the key, and asks for every file with it', async (test) => {
    const guarded = await startTestNode({ node: { name: 'hls-c' }, access: { play: 'key', playKeys: ['*=right'] } });
    test.after(() => guarded.close());
    const guest = publishFile(CLIP, guarded.rtmpUrl('live/hls-demo'));
    test.after(() => guest.stop());
    assert.equal((await text(guarded, '/live/hls-demo.m3u8')).status, 401);
    assert.equal((await text(guarded, '/live/hls-demo.m3u8?key=wrong')).status, 403);
    const seen = await waitFor('the playlist', async () => {
      const { status, body } = await text(guarded, '/live/hls-demo.m3u8?key=right&session=s');
      return status === 200 ? read(body) : undefined;
    });
    assert.match(seen.init, /\.mp4\?key=right&session=s$/);
    const path = guarded.httpUrl(`/live/${seen.init}`);
    const stranger = path.replace('session=s', 'session=stranger');
    assert.equal((await fetch(stranger)).status, 200, 'the address holds the key');
    assert.equal((await fetch(path.replace('key=right&session=s', 'key=wrong&session=x'))).status, 403);
    assert.equal((await fetch(path.replace('key=right&', 'key=wrong&'))).status, 200, 'who is in is not asked again');
  });

  it('goes on with the next publisher, whose numbers are higher', async () => {
    const before = await playlist(second());
    await publisher.stop();
    publisher = publishFile(CLIP, first().rtmpUrl('live/hls-demo'));
    const next = await waitFor('segments of the new publisher', async () => {
      const found = await playlist(second());
      return found.first > (before.uris.at(-1)?.number ?? 0) && found.uris.length > 0 ? found : undefined;
    });
    assert.equal(next.parts[0]?.independent, true);
  });
});
