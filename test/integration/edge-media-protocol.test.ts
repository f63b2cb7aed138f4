// The protocol as clients speak it: commands and their answers, what media goes through as, and where numbers end.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { asAmfObject, encodeAmf } from '@weir/edge/rtmp/amf0';
import { RtmpClient } from '@weir/edge/rtmp/client';
import { TYPE } from '@weir/edge/rtmp/message';
import { startTestNode, type TestNode } from '@weir/test/harness/edge';
import { frameNumber, publishFrames, videoFrame } from '@weir/test/harness/frame-publisher';
import { RawRtmp } from '@weir/test/harness/raw-rtmp';
import { playStream } from '@weir/test/harness/rtmp-viewer';
import { waitFor } from '@weir/test/harness/wait';

const STREAM = 1;

describe('a node over RTMP', () => {
  let node: TestNode;
  const open: RawRtmp[] = [];
  const connected = async () => {
    const raw = await RawRtmp.connected(node.addresses.rtmp, 'live');
    open.push(raw);
    return raw;
  };
  /** Publishes `name`, so that media can be sent at once. */
  const publishing = async (name: string) => {
    const raw = await connected();
    raw.command(0, 'createStream', 2, null);
    await raw.result(2);
    raw.command(STREAM, 'publish', 3, null, name, 'live');
    await raw.status('NetStream.Publish.Start');
    return raw;
  };
  const playing = async (name: string) => {
    const raw = await connected();
    raw.command(0, 'createStream', 2, null);
    await raw.result(2);
    raw.command(STREAM, 'play', 3, null, name, -2_000);
    await raw.status('NetStream.Play.Start');
    return raw;
  };

  before(async () => {
    node = await startTestNode({ stream: { catchUpSpeed: 0 } });
  });
  after(async () => {
    for (const raw of open) raw.close();
    await node.close();
  });

  it('answers connect with window, bandwidth, chunk size and NetConnection.Connect.Success', async () => {
    const raw = await connected();
    const types = raw.messages.map(({ type }) => type);
    assert.ok(types.includes(TYPE.windowAcknowledgement) && types.includes(TYPE.peerBandwidth), types.join());
    const { name, info } = await raw.result(1);
    assert.equal(name, '_result');
    assert.equal(asAmfObject(info)?.code, 'NetConnection.Connect.Success');
  });

  it('answers releaseStream, FCPublish, createStream, getStreamLength, FCUnpublish and an unknown command', async () => {
    const raw = await connected();
    raw.command(0, 'releaseStream', 2, null, 'cmd');
    raw.command(0, 'FCPublish', 3, null, 'cmd');
    raw.command(0, 'createStream', 4, null);
    raw.command(0, 'getStreamLength', 5, null, 'cmd');
    raw.command(0, 'FCUnpublish', 6, null, 'cmd');
    raw.command(0, 'makeCoffee', 7, null);
    assert.deepEqual(await raw.result(2), { name: '_result', info: undefined });
    assert.deepEqual(await raw.result(3), { name: '_result', info: undefined });
    assert.deepEqual(await raw.result(4), { name: '_result', info: STREAM });
    assert.deepEqual(await raw.result(5), { name: '_result', info: 0 });
    assert.deepEqual(await raw.result(6), { name: '_result', info: undefined });
    const unknown = await raw.result(7);
    assert.equal(unknown.name, '_error');
    assert.equal(asAmfObject(unknown.info)?.code, 'NetConnection.Call.Failed');
    const fcPublish = raw.commands.find(({ values: [name] }) => name === 'onFCPublish');
    assert.equal(asAmfObject(fcPublish?.values[3])?.code, 'NetStream.Publish.Start');
  });

  it('lets a client end its stream by deleteStream or closeStream and begin another on the same connection', async () => {
    const raw = await publishing('first');
    raw.command(0, 'deleteStream', 4, null, STREAM);
    await waitFor('the first to be gone', () => node.stats().streams.every(({ name }) => name !== 'first'));
    raw.command(0, 'createStream', 5, null);
    assert.equal((await raw.result(5)).info, STREAM);
    raw.command(STREAM, 'publish', 6, null, 'second', 'live');
    await waitFor('the second', () => node.stats().streams.some(({ name }) => name === 'second'));
    raw.command(STREAM, 'closeStream', 0, null);
    await waitFor('the second to be gone', () => node.stats().streams.every(({ name }) => name !== 'second'));
    raw.command(STREAM, 'publish', 7, null, 'third', 'live');
    await waitFor('the third', () => node.stats().streams.some(({ name }) => name === 'third'));
    raw.close();
  });

  it('pauses and goes on at a key frame, by AMF0 and by AMF3 commands, and refuses to seek', async () => {
    const publisher = await publishing('paused');
    publisher.send(TYPE.video, STREAM, 0, videoFrame(0, 100, true));
    const viewer = await playing('paused');
    await viewer.media(TYPE.video, 1);
    viewer.command(STREAM, 'pause', 4, null, true, 0);
    assert.equal((await viewer.status('NetStream.Pause.Notify')).streamId, STREAM);
    publisher.send(TYPE.video, STREAM, 40, videoFrame(1, 100, false));
    publisher.send(TYPE.video, STREAM, 80, videoFrame(2, 100, true));
    await waitFor('them to be there', () =>
      node.stats().streams.some(({ name, videoFrames }) => name === 'paused' && videoFrames === 3),
    );
    // AMF3 commands begin with a format byte.
    const amf3 = Buffer.concat([Buffer.from([0]), encodeAmf('pause', 5, null, false, 0)]);
    viewer.send(TYPE.commandAmf3, STREAM, 0, amf3);
    await viewer.status('NetStream.Unpause.Notify');
    publisher.send(TYPE.video, STREAM, 120, videoFrame(3, 100, false));
    publisher.send(TYPE.video, STREAM, 160, videoFrame(4, 100, true));
    publisher.send(TYPE.video, STREAM, 200, videoFrame(5, 100, false));
    const frames = await viewer.media(TYPE.video, 3);
    assert.deepEqual(
      frames.map(({ payload }) => frameNumber(payload)),
      [0, 4, 5],
    );
    viewer.command(STREAM, 'seek', 6, null, 1_000);
    assert.equal((await viewer.status('NetStream.Seek.Failed')).info.level, 'error');
    assert.equal(node.stats().framesDropped, 0, 'a pause is no slowness');
  });

  it('sends media on the message stream that createStream gave, after the statuses of the specification', async () => {
    const publisher = await publishing('ids');
    publisher.send(TYPE.video, STREAM, 0, videoFrame(0, 100, true));
    publisher.send(TYPE.audio, STREAM, 0, Buffer.from([0xaf, 1, 1, 1]));
    const viewer = await playing('ids');
    const media = [...(await viewer.media(TYPE.video, 1)), ...(await viewer.media(TYPE.audio, 1))];
    assert.deepEqual(
      media.map(({ streamId }) => streamId),
      [STREAM, STREAM],
    );
    const codes = viewer.commands.flatMap(({ values }) => asAmfObject(values[3])?.code ?? []);
    assert.deepEqual(codes, ['NetConnection.Connect.Success', 'NetStream.Play.Reset', 'NetStream.Play.Start']);
  });

  it('acknowledges as often as the client’s window asks, and answers pings', async () => {
    const publisher = await publishing('window');
    const window = Buffer.alloc(4);
    window.writeUInt32BE(20_000);
    publisher.send(TYPE.windowAcknowledgement, 0, 0, window);
    for (let number = 0; number < 20; number += 1) {
      publisher.send(TYPE.video, STREAM, number * 40, videoFrame(number, 10_000, number === 0));
      // Of one read that brings several windows the last one counts.
      if (number % 4 === 3) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await waitFor('acknowledgements', () => {
      const acknowledged = publisher.messages.filter(({ type }) => type === TYPE.acknowledgement);
      return (acknowledged.at(-1)?.payload.readUInt32BE() ?? 0) > 180_000;
    });
    const ping = Buffer.alloc(6);
    ping.writeUInt16BE(6, 0);
    ping.writeUInt32BE(12_345, 2);
    publisher.send(TYPE.userControl, 0, 0, ping);
    await waitFor('the pong', () =>
      publisher.messages.some(
        ({ type, payload }) =>
          type === TYPE.userControl && payload.readUInt16BE() === 7 && payload.readUInt32BE(2) === 12_345,
      ),
    );
  });

  it('splits aggregate messages, whose times count from their own', async () => {
    const publisher = await publishing('aggregate');
    const viewer = await connected();
    const tag = (type: number, time: number, payload: Buffer) => {
      const head = Buffer.alloc(11);
      head[0] = type;
      head.writeUIntBE(payload.length, 1, 3);
      head.writeUIntBE(time, 4, 3);
      const size = Buffer.alloc(4);
      size.writeUInt32BE(head.length + payload.length);
      return Buffer.concat([head, payload, size]);
    };
    const sound = Buffer.from([0xaf, 1, 9, 9]);
    const parts = [
      tag(TYPE.video, 500, videoFrame(0, 300, true)),
      tag(TYPE.audio, 520, sound),
      tag(TYPE.video, 540, videoFrame(1, 300, false)),
    ];
    publisher.send(TYPE.aggregate, STREAM, 10_000, Buffer.concat(parts));
    viewer.command(STREAM, 'play', 3, null, 'aggregate', -2_000);
    const video = await viewer.media(TYPE.video, 2);
    const [audio] = await viewer.media(TYPE.audio, 1);
    assert.deepEqual(
      video.map(({ timestamp }) => timestamp),
      [10_000, 10_040],
    );
    assert.deepEqual([audio?.timestamp, audio?.payload], [10_020, sound]);
  });

  it('hands HEVC, AV1, VP9, multitrack and Opus by FourCC on as they came, their headers first for who comes late', async () => {
    const publisher = await publishing('enhanced');
    const packet = (head: number, fourCc: string, body: string) =>
      Buffer.concat([Buffer.from([head]), Buffer.from(fourCc, 'latin1'), Buffer.from(body, 'latin1')]);
    const hevcHeader = packet(0x90, 'hvc1', 'configuration of HEVC');
    const opusHeader = packet(0x90, 'Opus', 'OpusHead');
    // One track (0), packet of a header, its FourCC, track 1.
    const av1Header = Buffer.concat([
      Buffer.from([0x96, 0x00]),
      Buffer.from('av01'),
      Buffer.from([1]),
      Buffer.from('av1C'),
    ]);
    const key = packet(0x91, 'hvc1', '\0\0\0key');
    const frame = packet(0xa3, 'hvc1', 'frame');
    const vp9 = packet(0xa1, 'vp09', 'frame');
    const sound = packet(0x91, 'Opus', 'sound');
    for (const one of [hevcHeader, av1Header]) publisher.send(TYPE.video, STREAM, 0, one);
    publisher.send(TYPE.audio, STREAM, 0, opusHeader);
    for (const one of [key, frame, vp9]) publisher.send(TYPE.video, STREAM, 40, one);
    publisher.send(TYPE.audio, STREAM, 40, sound);
    await waitFor('all', () =>
      node.stats().streams.some(({ name, audioFrames }) => name === 'enhanced' && audioFrames === 2),
    );
    const viewer = await playing('enhanced');
    const video = await viewer.media(TYPE.video, 5);
    const audio = await viewer.media(TYPE.audio, 2);
    assert.deepEqual(
      video.map(({ payload }) => payload),
      [hevcHeader, av1Header, key, frame, vp9],
    );
    assert.deepEqual(
      audio.map(({ payload }) => payload),
      [opusHeader, sound],
    );
  });

  it('carries a message of megabytes in chunks of any size', async () => {
    const [host = '', port = ''] = node.addresses.rtmp.split(':');
    for (const chunkSizeBytes of [128, 16_777_215]) {
      const name = `large-${chunkSizeBytes}`;
      const client = await RtmpClient.connect({ host, port: Number(port), app: 'live', chunkSizeBytes });
      await client.publish(name);
      const frame = videoFrame(7, 3_000_000, true);
      client.send(TYPE.video, 0, frame);
      const viewer = await playStream(node.rtmpUrl(`live/${name}`));
      const [got] = await waitFor('the frame', () => viewer.frames(9).length === 1 && viewer.frames(9));
      assert.ok(got?.payload.equals(frame), `${got?.payload.length} bytes came`);
      viewer.close();
      await client.end(name);
    }
  });

  it('keeps the times of a publisher whose sound lags by seconds and who stamps cue points with 0', async () => {
    const publisher = await publishing('lagging');
    const sound = Buffer.from([0xaf, 1, 9, 9]);
    publisher.send(TYPE.video, STREAM, 300_000, videoFrame(0, 100, true));
    const viewer = await playing('lagging');
    const times = Array.from({ length: 10 }, (_, number) => 300_040 + number * 40);
    for (const [index, time] of times.entries()) {
      publisher.send(TYPE.video, STREAM, time, videoFrame(index + 1, 100, false));
      publisher.send(TYPE.audio, STREAM, time - 1_500, sound);
      if (index === 4) publisher.send(TYPE.data, STREAM, 0, encodeAmf('onCuePoint', { name: 'advert' }));
    }
    const timesOf = async (type: number, count: number) =>
      (await viewer.media(type, count)).map(({ timestamp }) => timestamp);
    assert.deepEqual(await timesOf(TYPE.video, 11), [300_000, ...times]);
    assert.deepEqual(
      await timesOf(TYPE.audio, 10),
      times.map((time) => time - 1_500),
    );
    const cue = viewer.messages.find(({ payload }) => payload.includes('onCuePoint'));
    assert.ok((cue?.timestamp ?? 0) >= 300_000, `the cue point came at ${cue?.timestamp}`);
  });

  for (const [what, startMs] of [
    ['past 2^24, where they need the extended field', 2 ** 24 - 500],
    ['over their end at 2^32', 2 ** 32 - 500],
  ] as const) {
    it(`keeps timestamps in step ${what}, over RTMP and HTTP-FLV`, async () => {
      const name = `wraps-${startMs}`;
      const publisher = await publishFrames(node.rtmpUrl(`live/${name}`), { frameBytes: 500, startMs });
      publisher.send(5, true);
      const viewer = await playStream(node.rtmpUrl(`live/${name}`));
      const response = await fetch(node.httpUrl(`/live/${name}.flv`));
      publisher.send(20);
      await waitFor('all frames', () => viewer.frames(9).length === 25);
      const wanted = Array.from({ length: 25 }, (_, frame) => (startMs + frame * 40) % 2 ** 32);
      for (const type of [8, 9] as const) {
        assert.deepEqual(
          viewer.frames(type).map(({ timestamp }) => timestamp),
          wanted,
        );
      }
      assert.deepEqual(await flvTimes(response, 25), wanted);
      viewer.close();
      await publisher.close();
    });
  }
});

/** Timestamps of the first `count` video frames of an FLV response, which is left then. */
async function flvTimes(response: Response, count: number): Promise<number[]> {
  let bytes = Buffer.alloc(0);
  const times: number[] = [];
  let at = 13;
  for await (const part of response.body ?? []) {
    bytes = Buffer.concat([bytes, part as Uint8Array]);
    while (at + 11 <= bytes.length && at + 15 + bytes.readUIntBE(at + 1, 3) <= bytes.length) {
      const isFrame = bytes[at] === 9 && bytes[at + 12] === 1;
      if (isFrame) times.push(((bytes[at + 7] ?? 0) * 2 ** 24 + bytes.readUIntBE(at + 4, 3)) % 2 ** 32);
      at += 15 + bytes.readUIntBE(at + 1, 3);
    }
    if (times.length >= count) break;
  }
  return times;
}
