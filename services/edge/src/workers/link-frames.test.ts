// Links carry all media of a node with workers: a frame lost or cut wrongly would be every viewer’s.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import type { MediaMessage } from '../stream/media.ts';
import {
  type LinkControl,
  type LinkPosition,
  LinkReader,
  type LinkRequest,
  writeControl,
  writeMedia,
} from './link-frames.ts';

type Frame = { media: MediaMessage; position: LinkPosition } | { control: LinkRequest | LinkControl };

/** All bytes that `write` puts on a socket. */
async function bytesOf(write: (socket: Socket) => void): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const server = createServer((socket) => socket.on('data', (chunk: Buffer) => chunks.push(chunk)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as { port: number }).port, '127.0.0.1');
  await once(socket, 'connect');
  write(socket);
  process.nextTick(() => socket.end());
  const ended = once(server, 'close');
  server.close();
  await ended;
  return Buffer.concat(chunks);
}

function framesOf(pieces: readonly Buffer[]): Frame[] {
  const frames: Frame[] = [];
  const reader = new LinkReader({
    onMedia: (media, position) => frames.push({ media, position }),
    onControl: (control) => frames.push({ control }),
  });
  for (const piece of pieces) reader.push(piece);
  return frames;
}

describe('a link', () => {
  const key = Buffer.concat([Buffer.from([0x17, 1, 0, 0, 0]), Buffer.alloc(100_000, 7)]);
  const sound = Buffer.from([0xaf, 1, 2, 3]);
  const write = (socket: Socket) => {
    writeControl(socket, { kind: 'play', app: 'live', name: 'ein/ström' });
    writeMedia(
      socket,
      { type: 9, timestamp: 0xffffffff, payload: key },
      { epoch: 1.7e12, sequence: -1, socketBytes: 0 },
    );
    writeMedia(
      socket,
      { type: 8, timestamp: 12, payload: sound },
      { epoch: 1.7e12, sequence: 2 ** 40, socketBytes: 9e12 },
    );
    writeControl(socket, { kind: 'ended' });
  };

  it('gives what was written, however the bytes are cut', async () => {
    const bytes = await bytesOf(write);
    for (const sizeBytes of [1, 3, 1_000, 65_536, bytes.length]) {
      const pieces: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += sizeBytes) pieces.push(bytes.subarray(at, at + sizeBytes));
      const [first, video, audio, last] = framesOf(pieces);
      assert.deepEqual(first, { control: { kind: 'play', app: 'live', name: 'ein/ström' } });
      assert.ok(video && 'media' in video && audio && 'media' in audio);
      assert.equal(video.media.kind, 'key');
      assert.equal(video.media.timestamp, 0xffffffff);
      assert.ok(video.media.payload.equals(key));
      assert.deepEqual(video.position, { epoch: 1.7e12, sequence: -1, socketBytes: 0 });
      assert.ok(audio.media.payload.equals(sound));
      assert.deepEqual(audio.position, { epoch: 1.7e12, sequence: 2 ** 40, socketBytes: 9e12 });
      assert.deepEqual(last, { control: { kind: 'ended' } });
    }
  });
});
