/**
 * Broken clients from a seed: sessions of RTMP and requests of HTTP-FLV whose bytes were turned, cut, doubled and moved
 * about. The same seed makes the same clients in the same order; a bench runs them for as long as it is told.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { type AmfValue, encodeAmf } from '@weir/edge/rtmp/amf0';
import { writeChunks } from '@weir/edge/rtmp/chunk-writer';
import { TYPE } from '@weir/edge/rtmp/message';
import { AAC_HEADER, AVC_HEADER, videoFrame } from './frame-publisher.ts';

/** Where the clients go, and what they do there. */
export interface FuzzTarget {
  /** `host:port`. */
  rtmp: string;
  http: string;
  /** Numbers in [0, 1) that decide everything. */
  random: () => number;
  /** Kinds tried so far. */
  counts: Map<string, number>;
}

const CHUNK = 128;
const HANDSHAKE = Buffer.concat([Buffer.from([3]), Buffer.alloc(1_536), Buffer.alloc(1_536)]);
/** A client that is not cut off goes after so long. */
const STAY_MS = 3_000;

const command = (id: number, ...values: AmfValue[]) => writeChunks(TYPE.command, id, 0, encodeAmf(...values), CHUNK);

/** Everything a publisher and a viewer may say, in order. */
function wholeSession(): Buffer[] {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(CHUNK);
  return [
    writeChunks(TYPE.setChunkSize, 0, 0, size, CHUNK, 2),
    command(0, 'connect', 1, {
      app: 'fuzz',
      tcUrl: 'rtmp://x/fuzz',
      objectEncoding: 3,
      fourCcList: ['hvc1', 'av01'],
      nested: { list: [1, 'two', null, undefined, true] },
    }),
    command(0, 'releaseStream', 2, null, 'fuzzed'),
    command(0, 'FCPublish', 3, null, 'fuzzed'),
    command(0, 'createStream', 4, null),
    command(1, 'publish', 5, null, 'fuzzed', 'live'),
    writeChunks(TYPE.data, 1, 0, encodeAmf('@setDataFrame', 'onMetaData', { width: 1_280, encoder: 'x' }), CHUNK),
    writeChunks(TYPE.video, 1, 0, AVC_HEADER, CHUNK),
    writeChunks(TYPE.audio, 1, 0, AAC_HEADER, CHUNK),
    writeChunks(TYPE.video, 1, 0, videoFrame(0, 700, true), CHUNK),
    writeChunks(TYPE.video, 1, 0xff_ff_ff, Buffer.from('9168766331000000', 'hex'), CHUNK),
    writeChunks(TYPE.video, 1, 0x1_00_00_00, Buffer.alloc(400, 0x97), CHUNK),
    writeChunks(TYPE.audio, 1, 0xff_ff_ff_ff, Buffer.from('914f70757301', 'hex'), CHUNK),
    writeChunks(TYPE.aggregate, 1, 5, Buffer.alloc(60, 9), CHUNK),
    writeChunks(TYPE.commandAmf3, 1, 0, Buffer.concat([Buffer.from([0]), encodeAmf('pause', 6, null, true, 0)]), CHUNK),
    command(1, 'seek', 7, null, 1_000),
    command(0, 'deleteStream', 8, null, 1),
    command(1, 'play', 9, null, 'fuzzed', -2_000),
    writeChunks(TYPE.abort, 0, 0, Buffer.from([0, 0, 0, 6]), CHUNK, 2),
    writeChunks(TYPE.acknowledgement, 0, 0, Buffer.from([0, 0, 0, 1]), CHUNK, 2),
  ];
}

type Mutation = (parts: Buffer[], below: (limit: number) => number) => Buffer;

const flip = (bytes: Buffer, times: number, below: (limit: number) => number) => {
  for (let count = 0; count < times; count += 1) bytes[below(bytes.length)] = below(256);
  return bytes;
};

/** What is done to a session, by the part of the protocol it goes for. */
const MUTATIONS: Readonly<Record<string, Mutation>> = {
  handshake: (parts, below) => {
    const hello = flip(Buffer.from(HANDSHAKE), 1 + below(40), below);
    return Buffer.concat([hello.subarray(0, 1 + below(hello.length)), ...(below(2) === 0 ? parts : [])]);
  },
  bytes: (parts, below) => {
    const bytes = flip(Buffer.concat(parts), 1 + below(6), below);
    return Buffer.concat([HANDSHAKE, bytes.subarray(0, 1 + below(bytes.length))]);
  },
  // The first bytes of a part are its chunk header: format, chunk stream, time, length, type, message stream.
  chunks: (parts, below) => {
    for (let count = 1 + below(4); count > 0; count -= 1) {
      const part = Buffer.from(parts[below(parts.length)] as Buffer);
      part[below(Math.min(12, part.length))] = below(256);
      parts[below(parts.length)] = part;
    }
    return Buffer.concat([HANDSHAKE, ...parts]);
  },
  order: (parts, below) => {
    for (let count = 1 + below(8); count > 0; count -= 1) {
      const moved = parts.splice(below(parts.length), 1)[0] ?? Buffer.alloc(0);
      parts.splice(below(parts.length + 1), 0, ...(below(3) === 0 ? [moved, moved] : [moved]));
    }
    return Buffer.concat([HANDSHAKE, ...parts]);
  },
  amf: (parts, below) => {
    const payload = flip(
      encodeAmf('connect', 1, { app: 'fuzz', deep: { a: [1, 'x', { b: null }] } }),
      1 + below(5),
      below,
    );
    parts[1] = writeChunks(TYPE.command, 0, 0, payload, CHUNK);
    return Buffer.concat([HANDSHAKE, ...parts]);
  },
  media: (parts, below) => {
    for (let count = 1 + below(8); count > 0; count -= 1) {
      const payload = Buffer.alloc(1 + below(300));
      for (let at = 0; at < payload.length; at += 1) payload[at] = below(256);
      const type = [TYPE.video, TYPE.audio, TYPE.data, TYPE.aggregate, TYPE.dataAmf3, 1 + below(30)][
        below(6)
      ] as number;
      parts.splice(6, 0, writeChunks(type, 1, below(2 ** 32), payload, CHUNK));
    }
    return Buffer.concat([HANDSHAKE, ...parts]);
  },
  noise: (_parts, below) => {
    const noise = Buffer.alloc(1 + below(4_000));
    for (let at = 0; at < noise.length; at += 1) noise[at] = below(256);
    return below(2) === 0 ? noise : Buffer.concat([HANDSHAKE, noise]);
  },
};

const REQUESTS = [
  'GET /fuzz/fuzzed.flv HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET /live/witness.flv?key=%00&session=%ff HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
  'OPTIONS /fuzz/../../etc/passwd.flv HTTP/1.1\r\nHost: x\r\nRange: bytes=0-\r\n\r\n',
];

/** One broken client, from connecting to its end. Resolves whatever happens to it. */
export async function fuzzOnce({ rtmp, http, random, counts }: FuzzTarget): Promise<void> {
  const below = (limit: number) => Math.floor(random() * limit);
  const kinds = [...Object.keys(MUTATIONS), 'http'];
  const kind = kinds[below(kinds.length)] as string;
  counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const bytes =
    MUTATIONS[kind]?.(wholeSession(), below) ??
    flip(Buffer.from(REQUESTS[below(REQUESTS.length)] as string, 'latin1'), 1 + below(4), below);
  const [host = '', port = ''] = (kind === 'http' ? http : rtmp).split(':');
  const split = below(bytes.length);
  const halfOpen = below(4) === 0;
  const socket = connect(Number(port), host).on('error', () => undefined);
  const closed = once(socket, 'close').catch(() => undefined);
  // Split anywhere, so that headers arrive in pieces.
  socket.resume().write(bytes.subarray(0, split));
  setImmediate(() => {
    if (halfOpen) socket.write(bytes.subarray(split));
    else socket.end(bytes.subarray(split));
  });
  const goes = setTimeout(() => socket.destroy(), halfOpen ? STAY_MS / 10 : STAY_MS);
  await closed;
  clearTimeout(goes);
}
