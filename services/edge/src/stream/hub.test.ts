// The hub with real sockets: what newcomers get first, that nothing comes twice or out of order over a change of source,
// and what happens to viewers who do not read.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { parseRelayMark } from '../relay/mark.ts';
import { encodeAmf } from '../rtmp/amf0.ts';
import { ChunkReader } from '../rtmp/chunk-reader.ts';
import { writeChunks } from '../rtmp/chunk-writer.ts';
import { type RtmpMessage, TYPE } from '../rtmp/message.ts';
import { Protocol } from '../rtmp/protocol.ts';
import { createEncodings, type EncodingName } from './encoding.ts';
import { Hub, type HubOptions } from './hub.ts';
import { AUDIO, DATA, type MediaMessage, toMedia, VIDEO } from './media.ts';
import { MergeClock } from './merge-clock.ts';
import { Viewer } from './viewer.ts';

const CHUNK = 4_096;
const QUEUE_BYTES = 65_536;
const header = toMedia(VIDEO, 0, Buffer.from('1700000000016400', 'hex')) as MediaMessage;
const aacHeader = toMedia(AUDIO, 0, Buffer.from('af001210', 'hex')) as MediaMessage;

/** A video frame of `size` bytes whose number is in its last four. */
function frame(number: number, { key = false, size = 64, time = number * 40 } = {}): MediaMessage {
  const payload = Buffer.alloc(size);
  payload[0] = key ? 0x17 : 0x27;
  payload[1] = 1;
  payload.writeUInt32BE(number, size - 4);
  return toMedia(VIDEO, time, payload) as MediaMessage;
}

const numberOf = ({ payload }: RtmpMessage) => payload.readUInt32BE(payload.length - 4);
const isFrame = ({ type, payload }: RtmpMessage) => type === TYPE.video && payload[1] === 1;

describe('a hub', () => {
  let server: Server;
  const clock = new MergeClock({ minMs: 0, maxMs: 0 });
  const sockets: Socket[] = [];

  before(async () => {
    server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  after(() => {
    clock.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  const newHub = (overrides: Partial<HubOptions> = {}) =>
    new Hub({
      app: 'live',
      name: 'test',
      clock,
      encodings: createEncodings(new Protocol(), CHUNK),
      chunkSizeBytes: CHUNK,
      gop: { maxBytes: 1_000_000, maxMs: 10_000 },
      catchUpSpeed: 0,
      shortestMs: undefined,
      viewerQueueBytes: QUEUE_BYTES,
      viewerQueueMs: 100,
      ...overrides,
    });

  const attach = async (hub: Hub, encoding: EncodingName = 'rtmp') => {
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const [socket] = (await once(server, 'connection')) as [Socket];
    sockets.push(client, socket);
    const got: RtmpMessage[] = [];
    const reader = new ChunkReader(10_000_000, (message) => got.push(message));
    const size = Buffer.alloc(4);
    size.writeUInt32BE(CHUNK);
    reader.push(writeChunks(TYPE.setChunkSize, 0, 0, size, 128, 2));
    client.on('data', (data) => reader.push(data));
    const state = { begun: 0, ended: '' };
    const viewer = new Viewer({
      socket,
      encoding,
      begin: () => {
        state.begun += 1;
      },
      end: (reason) => {
        state.ended = reason;
        socket.destroy();
      },
    });
    hub.attach(viewer);
    return { client, socket, viewer, got, state };
  };

  const until = async (what: string, condition: () => boolean) => {
    const end = performance.now() + 5_000;
    while (!condition()) {
      assert.ok(performance.now() < end, `waited in vain for ${what}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };

  const publish = (hub: Hub, ...media: MediaMessage[]) => {
    for (const one of media) hub.push(one, hub.nextSequence);
  };

  it('sends a newcomer headers and the newest GOP at once, then what follows', async () => {
    const hub = newHub();
    hub.beginEpoch(1);
    publish(hub, header, aacHeader, frame(0, { key: true }), frame(1), frame(2, { key: true }), frame(3));
    const { got, state } = await attach(hub);
    await until('the GOP', () => got.length === 4);
    publish(hub, frame(4));
    await until('the next frame', () => got.length === 5);
    assert.equal(state.begun, 1);
    assert.deepEqual(got[0]?.payload, header.payload);
    assert.deepEqual(got[1]?.payload, aacHeader.payload);
    assert.deepEqual(got.filter(isFrame).map(numberOf), [2, 3, 4]);
    assert.deepEqual(
      got.map(({ timestamp }) => timestamp),
      [80, 80, 80, 120, 160],
    );
  });

  it('lets viewers of a stream to come wait, and starts them with its first key frame', async () => {
    const hub = newHub();
    const { got, state } = await attach(hub);
    hub.beginEpoch(1);
    publish(hub, header, frame(0), frame(1, { key: true }), frame(2));
    await until('frames', () => got.length === 3);
    assert.equal(state.begun, 1);
    assert.deepEqual(got.filter(isFrame).map(numberOf), [1, 2]);
  });

  it('goes on after a change of the source in one epoch without repeating or losing a message', async () => {
    const hub = newHub();
    hub.beginEpoch(1);
    publish(hub, header, frame(0, { key: true }));
    const { got } = await attach(hub);
    publish(hub, frame(1), frame(2)); // sequences 2 and 3
    // The next source sends headers ahead and its GOP from sequence 1 on.
    hub.pushHeader(header);
    for (const [sequence, media] of [frame(0, { key: true }), frame(1), frame(2), frame(3)].entries()) {
      hub.push(media, sequence + 1);
    }
    await until('all frames', () => got.filter(isFrame).length === 4);
    assert.deepEqual(got.filter(isFrame).map(numberOf), [0, 1, 2, 3]);
    assert.equal(got.filter((message) => message.payload.equals(header.payload)).length, 1);
  });

  it('after a hole waits for a key frame, and keeps the publisher’s times', async () => {
    const hub = newHub();
    hub.beginEpoch(1);
    publish(hub, header, frame(0, { key: true }));
    const { got } = await attach(hub);
    hub.push(frame(7), 9);
    hub.push(frame(8, { key: true }), 10);
    hub.push(frame(9), 11);
    await until('frames after the hole', () => got.filter(isFrame).length === 3);
    assert.deepEqual(got.filter(isFrame).map(numberOf), [0, 8, 9]);
    assert.equal(got.at(-1)?.timestamp, 360);
  });

  it('re-bases the times of a new publisher for viewers, and not for relays', async () => {
    const hub = newHub();
    hub.beginEpoch(1);
    publish(hub, header, frame(100, { key: true }));
    const viewer = await attach(hub);
    const relay = await attach(hub, 'relay');
    hub.beginEpoch(2);
    publish(hub, header, frame(0, { key: true }), frame(1));
    await until('frames', () => [viewer, relay].every(({ got }) => got.filter(isFrame).length === 3));
    const times = (got: RtmpMessage[]) => got.filter(isFrame).map(({ timestamp }) => timestamp);
    assert.deepEqual(times(viewer.got), [4_000, 4_040, 4_080]);
    assert.deepEqual(times(relay.got), [4_000, 0, 40]);
    const marks = relay.got.flatMap(({ type, payload }) => (type === TYPE.data ? (parseRelayMark(payload) ?? []) : []));
    assert.deepEqual(marks, [
      { kind: 'position', epoch: 1, sequence: -1, hops: 1 },
      { kind: 'position', epoch: 1, sequence: 1, hops: 1 },
      { kind: 'position', epoch: 2, sequence: 0, hops: 1 },
    ]);
  });

  it('does not take a word of data for the first picture of a new publisher', async () => {
    const hub = newHub();
    hub.beginEpoch(1);
    hub.push(frame(0, { key: true }), 0);
    const { got } = await attach(hub);
    hub.beginEpoch(2);
    const said = toMedia(DATA, 0, encodeAmf('|RtmpSampleAccess', true, true)) as MediaMessage;
    publish(hub, said, header, frame(5), frame(6, { key: true }), frame(7));
    await until('the new publisher', () => got.filter(isFrame).map(numberOf).includes(7));
    assert.deepEqual(got.filter(isFrame).map(numberOf), [0, 6, 7]);
  });

  it('lets newcomers hear while there is no key frame to begin with, and see from the next one on', async () => {
    const hub = newHub({ gop: { maxBytes: 1_000_000, maxMs: 1_000 } });
    const sound = (time: number) => toMedia(AUDIO, time, Buffer.from('af0101', 'hex')) as MediaMessage;
    hub.beginEpoch(1);
    publish(hub, header, aacHeader, frame(0, { key: true }));
    for (let time = 20; time < 2_000; time += 20) publish(hub, sound(time));
    assert.equal(hub.gop.gop.length, 0, 'the cache is over its time');
    const { got } = await attach(hub);
    publish(hub, sound(2_000), frame(50), sound(2_020));
    await until('the sound', () => got.filter(({ type }) => type === AUDIO).length === 3);
    publish(hub, frame(51, { key: true }), frame(52), sound(2_080));
    await until('the rest', () => got.filter(({ type }) => type === AUDIO).length === 4);
    assert.deepEqual(got.filter(isFrame).map(numberOf), [51, 52]);
  });

  it('goes on with sound alone when a new publisher has no key frame for half a second', async () => {
    const hub = newHub();
    const sound = (time: number) => toMedia(AUDIO, time, Buffer.from('af0101', 'hex')) as MediaMessage;
    hub.beginEpoch(1);
    publish(hub, frame(0, { key: true }), sound(0));
    const { got } = await attach(hub);
    hub.beginEpoch(2);
    publish(hub, header, aacHeader);
    for (let time = 0; time <= 600; time += 100) publish(hub, sound(time), frame(time));
    publish(hub, frame(7, { key: true }), sound(700));
    const times = () =>
      got.filter(({ type, payload }) => type === AUDIO && payload[1] === 1).map((one) => one.timestamp);
    await until('the last of it', () => times().length === 4);
    assert.deepEqual(times(), [0, 40, 140, 240], 'of before, and what came after 500, 600 and 700 ms');
    assert.deepEqual(got.filter(isFrame).map(numberOf), [0, 7]);
  });

  it('drops frames of a viewer who does not read up to a key frame, holds little for them, then puts them out', async () => {
    const hub = newHub();
    hub.beginEpoch(1);
    publish(hub, header, frame(0, { key: true }));
    const slow = await attach(hub);
    const quick = await attach(hub);
    slow.client.pause();
    const size = 32_768;
    let number = 1;
    let most = 0;
    await until('drops', () => {
      publish(hub, frame(number, { key: number % 10 === 0, size }));
      number += 1;
      most = Math.max(most, slow.viewer.queuedBytes);
      return slow.viewer.framesDropped > 50;
    });
    assert.ok(most <= QUEUE_BYTES + 12 * size, `${most} bytes were queued`);
    await until('the other viewer', () => quick.got.filter(isFrame).length === number);
    assert.equal(quick.viewer.framesDropped, 0);

    // Reads again: goes on at a key frame.
    slow.client.resume();
    await until('all that was sent', () => slow.client.bytesRead === slow.socket.bytesWritten);
    const before = slow.got.filter(isFrame).length;
    await until('frames again', () => {
      publish(hub, frame(number, { key: number % 10 === 0, size }));
      number += 1;
      return slow.got.filter(isFrame).length > before;
    });
    const resumed = slow.got.filter(isFrame).at(before);
    assert.equal(resumed && numberOf(resumed) % 10, 0);

    // Reads nothing for longer than allowed: out.
    slow.client.pause();
    await until('being put out', () => {
      publish(hub, frame(number, { key: number % 10 === 0, size }));
      number += 1;
      hub.sweep(Date.now());
      return slow.state.ended !== '';
    });
    assert.equal(slow.state.ended, 'slow-viewer');
    assert.equal(quick.state.ended, '');
    assert.equal(hub.audienceCount, 1);
  });

  it('drops the video of a viewer whose queue is old, and keeps the sound', async () => {
    const hub = newHub({ viewerQueueBytes: 268_435_456, viewerQueueMs: 5_000 });
    hub.beginEpoch(1);
    publish(hub, header, aacHeader, frame(0, { key: true }));
    const late = await attach(hub);
    late.client.pause();
    let number = 1;
    const size = 65_536;
    await until('a long queue', () => {
      publish(hub, frame(number, { key: number % 10 === 0, size }));
      number += 1;
      return late.viewer.queuedBytes > 32 * 1_048_576;
    });
    // What one writev has taken up looks queued to Node until all of it is through: the viewer must look closer.
    const readSome = async () => {
      const before = late.client.bytesRead;
      late.client.resume();
      await until('some to be read', () => late.client.bytesRead > before + 1_048_576);
      late.client.pause();
    };
    const startMs = 1_000_000;
    hub.sweep(startMs);
    await readSome();
    hub.sweep(startMs + 4_000);
    assert.equal(late.viewer.lags, false);
    await readSome();
    hub.sweep(startMs + 6_000);
    assert.deepEqual([late.viewer.queueAgeMs, late.viewer.lags], [6_000, true]);

    const queued = late.viewer.queuedBytes;
    const sound = (time: number) => toMedia(AUDIO, time, Buffer.from([0xaf, 1, 7, 7])) as MediaMessage;
    for (let i = 0; i < 20; i += 1, number += 1) {
      publish(hub, frame(number, { key: i === 10, size }), sound(number * 40));
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(late.viewer.queuedBytes < queued + 20 * 100, 'no video was queued');
    assert.equal(late.viewer.framesDropped, 20);
    assert.equal(late.state.ended, '');

    late.client.resume();
    await until(
      'the sound',
      () => late.got.filter(({ type, payload }) => type === TYPE.audio && payload[1] === 1).length === 20,
    );
    const last = late.got.filter(isFrame).at(-1);
    assert.ok(last && numberOf(last) < number - 20, 'the last frame is one of before');
  });

  it('puts out a viewer who takes a little, when its queue gets older and older all the same', async () => {
    const hub = newHub({ viewerQueueBytes: 268_435_456, viewerQueueMs: 5_000 });
    hub.beginEpoch(1);
    publish(hub, header, frame(0, { key: true }));
    const late = await attach(hub);
    late.client.pause();
    let number = 1;
    await until('a long queue', () => {
      publish(hub, frame(number, { size: 65_536 }));
      number += 1;
      return late.viewer.queuedBytes > 32 * 1_048_576;
    });
    for (const ms of [0, 4_000, 8_000, 10_000]) {
      const before = late.client.bytesRead;
      late.client.resume();
      await until('some to be read', () => late.client.bytesRead > before + 1_048_576);
      late.client.pause();
      hub.sweep(1_000_000 + ms);
      assert.equal(late.state.ended, '', `at ${ms} ms`);
    }
    hub.sweep(1_000_000 + 10_001);
    assert.equal(late.state.ended, 'slow-viewer');
  });

  it('without video starts viewers after half a second of sound', async () => {
    const hub = newHub();
    hub.beginEpoch(1);
    const { state } = await attach(hub);
    const sound = (time: number) => toMedia(AUDIO, time, Buffer.from([0xaf, 1, 0, 0])) as MediaMessage;
    publish(hub, aacHeader, sound(0), sound(480));
    assert.equal(state.begun, 0);
    publish(hub, sound(520));
    assert.equal(state.begun, 1);
  });

  it('keeps the log short when everybody has been served', async () => {
    const hub = newHub();
    hub.beginEpoch(1);
    const { got } = await attach(hub);
    publish(hub, header);
    for (let number = 0; number < 1_000; number += 1) {
      publish(hub, frame(number, { key: number % 50 === 0 }));
      if (number % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await until('all frames', () => got.filter(isFrame).length === 1_000);
    assert.ok(hub.log.end - hub.log.start <= 80, `${hub.log.end - hub.log.start} messages kept`);
  });
});
