// Messages cut into chunks and put together again, however the bytes arrive; and what the reader refuses.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ChunkReader } from './chunk-reader.ts';
import { writeChunks } from './chunk-writer.ts';
import { ProtocolError } from './errors.ts';
import { type RtmpMessage, splitAggregate, TYPE } from './message.ts';

const MAX = 1_000_000;

function reading(maxBytes = MAX): { reader: ChunkReader; messages: RtmpMessage[] } {
  const messages: RtmpMessage[] = [];
  return { reader: new ChunkReader(maxBytes, (message) => messages.push(message)), messages };
}

function bytes(count: number): Buffer {
  return Buffer.from(Array.from({ length: count }, (_, i) => (i * 7) & 0xff));
}

function refuses(fault: string) {
  return (error: unknown) => error instanceof ProtocolError && error.fault === fault;
}

function setChunkSize(size: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(size);
  return writeChunks(TYPE.setChunkSize, 0, 0, payload, 128, 2);
}

describe('chunks', () => {
  it('carry messages of every length around the chunk size, with plain and extended timestamps', () => {
    for (const timestamp of [0, 1_234, 0xfffffe, 0xffffff, 0xfffffffe]) {
      for (const length of [0, 1, 127, 128, 129, 255, 256, 257, 384]) {
        const { reader, messages } = reading();
        const payload = bytes(length);
        const chunks = writeChunks(TYPE.video, 1, timestamp, payload, 128);
        const extended = timestamp >= 0xffffff ? 4 : 0;
        const followers = Math.max(0, Math.ceil(length / 128) - 1);
        assert.equal(chunks.length, 12 + extended + length + followers * (1 + extended));
        reader.push(chunks);
        reader.push(writeChunks(TYPE.audio, 1, timestamp, payload, 128));
        assert.deepEqual(messages, [
          { type: TYPE.video, streamId: 1, timestamp, payload },
          { type: TYPE.audio, streamId: 1, timestamp, payload },
        ]);
      }
    }
  });

  it('are read the same when every byte comes alone', () => {
    const { reader, messages } = reading();
    const whole = Buffer.concat([
      setChunkSize(200),
      writeChunks(TYPE.video, 1, 0x1000000, bytes(500), 200),
      writeChunks(TYPE.data, 1, 5, bytes(200), 200),
    ]);
    for (const byte of whole) reader.push(Buffer.from([byte]));
    assert.deepEqual(
      messages.map(({ type, timestamp, payload }) => [type, timestamp, payload.length]),
      [
        [TYPE.video, 0x1000000, 500],
        [TYPE.data, 5, 200],
      ],
    );
    assert.deepEqual(messages[0]?.payload, bytes(500));
  });

  it('of different chunk streams may be interleaved, also with ids of two and three bytes', () => {
    const { reader, messages } = reading();
    const video = writeChunks(TYPE.video, 1, 10, bytes(200), 128, 6);
    const audio = writeChunks(TYPE.audio, 1, 11, bytes(200), 128, 4);
    const twoBytes = (rest: Buffer) => Buffer.concat([Buffer.from([rest[0]! & 0xc0, 36]), rest.subarray(1)]); // 100
    const threeBytes = (rest: Buffer) =>
      Buffer.concat([Buffer.from([(rest[0]! & 0xc0) | 1, 144, 1]), rest.subarray(1)]); // 464
    reader.push(twoBytes(video.subarray(0, 12 + 128)));
    reader.push(threeBytes(audio.subarray(0, 12 + 128)));
    reader.push(twoBytes(video.subarray(12 + 128)));
    reader.push(threeBytes(audio.subarray(12 + 128)));
    assert.deepEqual(
      messages.map(({ type, payload }) => [type, payload.equals(bytes(200))]),
      [
        [TYPE.video, true],
        [TYPE.audio, true],
      ],
    );
  });

  it('with headers of types 1 to 3 add their deltas, modulo 2^32', () => {
    const { reader, messages } = reading();
    reader.push(Buffer.from([0x04, 0, 0, 100, 0, 0, 1, TYPE.audio, 1, 0, 0, 0, 0xaa]));
    reader.push(Buffer.from([0x44, 0, 0, 20, 0, 0, 1, TYPE.audio, 0xbb]));
    reader.push(Buffer.from([0x84, 0, 0, 30, 0xcc]));
    reader.push(Buffer.from([0xc4, 0xdd]));
    assert.deepEqual(
      messages.map(({ timestamp, payload }) => [timestamp, payload[0]]),
      [
        [100, 0xaa],
        [120, 0xbb],
        [150, 0xcc],
        [180, 0xdd],
      ],
    );
    reader.push(writeChunks(TYPE.audio, 1, 0xfffffff0, bytes(1), 128));
    reader.push(Buffer.from([0x84, 0, 0, 0x20, 1]));
    assert.equal(messages.at(-1)?.timestamp, 0x10);
  });

  it('without the extended timestamp in later chunks (some senders) are understood', () => {
    const { reader, messages } = reading();
    const chunks = writeChunks(TYPE.video, 1, 0x2000000, bytes(300), 128, 6);
    const without = [chunks.subarray(0, 144)];
    for (let at = 144; at < chunks.length; at += 133)
      without.push(Buffer.from([0xc6]), chunks.subarray(at + 5, at + 133));
    for (const piece of [Buffer.concat(without)]) for (const byte of piece) reader.push(Buffer.from([byte]));
    assert.equal(messages.length, 1);
    assert.deepEqual(messages[0]?.payload, bytes(300));
  });

  it('of an aborted message are forgotten', () => {
    const { reader, messages } = reading();
    reader.push(writeChunks(TYPE.video, 1, 0, bytes(200), 128, 6).subarray(0, 12 + 128));
    const id = Buffer.alloc(4);
    id.writeUInt32BE(6);
    reader.push(writeChunks(TYPE.abort, 0, 0, id, 128, 2));
    reader.push(writeChunks(TYPE.video, 1, 7, bytes(3), 128, 6));
    assert.deepEqual(
      messages.map(({ timestamp }) => timestamp),
      [7],
    );
  });
});

describe('the chunk reader refuses', () => {
  it('a message over the limit before any of it is kept', () => {
    const { reader } = reading(1_000);
    const header = writeChunks(TYPE.video, 1, 0, bytes(1_001), 128).subarray(0, 12);
    assert.throws(() => reader.push(header), refuses('MESSAGE_SIZE'));
  });

  it('many unfinished messages that together are too large', () => {
    const { reader } = reading(1_000);
    const start = (id: number) => writeChunks(TYPE.video, 1, 0, bytes(900), 128, id).subarray(0, 12 + 128);
    reader.push(start(4));
    reader.push(start(5));
    assert.throws(() => reader.push(start(6)), refuses('MESSAGE_SIZE'));
  });

  it('endless chunk streams', () => {
    const { reader } = reading();
    assert.throws(() => {
      for (let id = 0; id < 65_535; id += 1) {
        reader.push(Buffer.from([1, id & 0xff, id >> 8, 0, 0, 0, 0, 0, 1, 9, 1, 0, 0, 0, 0xff]));
      }
    }, refuses('CHUNK_STREAMS'));
  });

  it('a chunk stream that begins in the middle, and a message inside another', () => {
    assert.throws(() => reading().reader.push(Buffer.from([0xc4, 1])), refuses('CHUNK'));
    const { reader } = reading();
    reader.push(writeChunks(TYPE.video, 1, 0, bytes(200), 128, 6).subarray(0, 12 + 128));
    assert.throws(() => reader.push(writeChunks(TYPE.video, 1, 0, bytes(2), 128, 6)), refuses('CHUNK'));
  });

  it('a chunk size of nothing', () => {
    assert.throws(() => reading().reader.push(setChunkSize(0)), refuses('CHUNK'));
  });
});

describe('an aggregate message', () => {
  const tag = (type: number, time: number, payload: Buffer) => {
    const head = Buffer.from([type, 0, 0, payload.length, 0, 0, time, 0, 0, 0, 0]);
    return Buffer.concat([head, payload, Buffer.from([0, 0, 0, 11 + payload.length])]);
  };

  it('is split into messages whose times count from its own', () => {
    const payload = Buffer.concat([tag(8, 10, bytes(3)), tag(9, 30, bytes(4))]);
    const parts = splitAggregate({ type: TYPE.aggregate, streamId: 1, timestamp: 1_000, payload });
    assert.deepEqual(
      parts.map(({ type, timestamp, payload: part }) => [type, timestamp, part.length]),
      [
        [8, 1_000, 3],
        [9, 1_020, 4],
      ],
    );
  });

  it('that is cut off gives what is whole', () => {
    const payload = Buffer.concat([tag(8, 0, bytes(3)), tag(9, 0, bytes(9)).subarray(0, 15)]);
    assert.equal(splitAggregate({ type: TYPE.aggregate, streamId: 1, timestamp: 0, payload }).length, 1);
  });
});
