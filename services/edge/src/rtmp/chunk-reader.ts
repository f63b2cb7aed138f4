/**
 * Puts messages together from a peer's chunks (RTMP 1.0 §5.3), however the bytes are split over reads. Each payload
 * byte is copied once, into the message's own buffer. Bounds: message size, chunk streams, bytes of unfinished messages.
 */
import { ProtocolError } from './errors.ts';
import { type RtmpMessage, TYPE } from './message.ts';

const MESSAGE_HEADER_BYTES = [11, 7, 3, 0] as const;
const MAX_HEADER_BYTES = 3 + 11 + 4;
const EXTENDED = 0xffffff;
const MAX_CHUNK_SIZE = 0xffffff;
/** Real clients use less than ten. */
const MAX_CHUNK_STREAMS = 128;
const NOTHING = Buffer.alloc(0);

interface ChunkStream {
  timestamp: number;
  /** Timestamp field of the last header that had one: absolute after type 0, else a delta. */
  field: number;
  extended: boolean;
  length: number;
  type: number;
  streamId: number;
  payload: Buffer;
  received: number;
}

/** Reads one direction of one connection. Control messages about chunking are obeyed here and not handed on. */
export class ChunkReader {
  /** Largest message accepted; may be raised once the peer has a right to send media. */
  maxMessageBytes: number;
  readonly #onMessage: (message: RtmpMessage) => void;
  readonly #streams = new Map<number, ChunkStream>();
  readonly #header = Buffer.alloc(MAX_HEADER_BYTES);
  #headerBytes = 0;
  #chunkSize = 128;
  #current: ChunkStream | undefined;
  #chunkLeft = 0;
  #partialBytes = 0;
  #stopped = false;

  /** `onMessage` is called from within {@link push}, in order. */
  constructor(maxMessageBytes: number, onMessage: (message: RtmpMessage) => void) {
    this.maxMessageBytes = maxMessageBytes;
    this.#onMessage = onMessage;
  }

  /** Ends reading: the rest of what is being pushed, and all later bytes, are ignored. */
  stop(): void {
    this.#stopped = true;
    this.#streams.clear();
    this.#current = undefined;
  }

  /** Takes the next bytes; keeps no reference to `data`. @throws ProtocolError; the reader is of no use afterwards. */
  push(data: Buffer): void {
    let at = 0;
    while (at < data.length && !this.#stopped) {
      at = this.#current ? this.#readPayload(this.#current, data, at) : this.#readHeader(data, at);
    }
  }

  #readHeader(data: Buffer, from: number): number {
    if (this.#headerBytes === 0) {
      const have = data.length - from;
      const need = this.#headerSize(data, from, have);
      if (need <= have) {
        this.#begin(data, from, need);
        return from + need;
      }
    }
    // The header is split over reads: gather it byte by byte.
    let at = from;
    while (at < data.length) {
      this.#header[this.#headerBytes] = data[at] as number;
      this.#headerBytes += 1;
      at += 1;
      const need = this.#headerSize(this.#header, 0, this.#headerBytes);
      if (need < this.#headerBytes) {
        // The last four bytes were payload, not an extended timestamp: they belong to the chunk.
        const surplus = Buffer.from(this.#header.subarray(need, this.#headerBytes));
        this.#headerBytes = 0;
        this.#begin(this.#header, 0, need);
        this.push(surplus);
        return at;
      }
      if (need === this.#headerBytes) {
        this.#headerBytes = 0;
        this.#begin(this.#header, 0, need);
        return at;
      }
    }
    return at;
  }

  /** Bytes of the chunk header at `at`, as far as `have` bytes of it can tell: more than `have` means wait. */
  #headerSize(buffer: Buffer, at: number, have: number): number {
    const first = buffer[at] as number;
    const basic = basicHeaderBytes(first);
    if (have < basic) return basic;
    const format = (first >> 6) as 0 | 1 | 2 | 3;
    const size = basic + MESSAGE_HEADER_BYTES[format];
    if (have < size) return size;
    if (format < 3) return buffer.readUIntBE(at + basic, 3) === EXTENDED ? size + 4 : size;
    const stream = this.#streams.get(chunkStreamId(buffer, at, basic));
    if (!stream?.extended) return size;
    if (have < size + 4) return size + 4;
    // Some senders leave the extended timestamp out of a message's later chunks: it is there if it is the same.
    return stream.received > 0 && buffer.readUInt32BE(at + size) !== stream.field ? size : size + 4;
  }

  #begin(buffer: Buffer, at: number, size: number): void {
    const first = buffer[at] as number;
    const basic = basicHeaderBytes(first);
    const format = first >> 6;
    const stream = this.#streamFor(chunkStreamId(buffer, at, basic), format);
    const continues = stream.received > 0;
    if (continues && format !== 3) throw new ProtocolError('CHUNK', 'A new message began before the last one ended.');
    const header = at + basic;
    if (format < 3) {
      stream.field = buffer.readUIntBE(header, 3);
      stream.extended = stream.field === EXTENDED;
    }
    if (format < 2) {
      stream.length = buffer.readUIntBE(header + 3, 3);
      stream.type = buffer[header + 6] as number;
    }
    if (format === 0) stream.streamId = buffer.readUInt32LE(header + 7);
    if (stream.extended && size > basic + MESSAGE_HEADER_BYTES[format as 0 | 1 | 2 | 3]) {
      stream.field = buffer.readUInt32BE(at + size - 4);
    }
    if (!continues) {
      stream.timestamp = format === 0 ? stream.field : (stream.timestamp + stream.field) >>> 0;
      this.#reserve(stream);
    }
    this.#chunkLeft = Math.min(this.#chunkSize, stream.length - stream.received);
    this.#current = stream;
    if (this.#chunkLeft === 0) this.#endChunk(stream);
  }

  #streamFor(id: number, format: number): ChunkStream {
    const known = this.#streams.get(id);
    if (known) return known;
    if (format > 1) throw new ProtocolError('CHUNK', `Chunk stream ${id} began without a message header.`);
    if (this.#streams.size >= MAX_CHUNK_STREAMS) {
      throw new ProtocolError('CHUNK_STREAMS', `More than ${MAX_CHUNK_STREAMS} chunk streams on one connection.`);
    }
    const stream: ChunkStream = {
      timestamp: 0,
      field: 0,
      extended: false,
      length: 0,
      type: 0,
      streamId: 0,
      payload: NOTHING,
      received: 0,
    };
    this.#streams.set(id, stream);
    return stream;
  }

  #reserve(stream: ChunkStream): void {
    const limit = this.maxMessageBytes;
    if (stream.length > limit || this.#partialBytes + stream.length > 2 * limit) {
      throw new ProtocolError('MESSAGE_SIZE', `A message of ${stream.length} bytes is over the limit of ${limit}.`);
    }
    this.#partialBytes += stream.length;
    stream.payload = Buffer.allocUnsafe(stream.length);
  }

  #readPayload(stream: ChunkStream, data: Buffer, at: number): number {
    const size = Math.min(this.#chunkLeft, data.length - at);
    data.copy(stream.payload, stream.received, at, at + size);
    stream.received += size;
    this.#chunkLeft -= size;
    if (this.#chunkLeft === 0) this.#endChunk(stream);
    return at + size;
  }

  #endChunk(stream: ChunkStream): void {
    this.#current = undefined;
    if (stream.received < stream.length) return;
    const { type, streamId, timestamp, payload } = stream;
    this.#release(stream);
    if (type === TYPE.setChunkSize) this.#setChunkSize(payload);
    else if (type === TYPE.abort) this.#abort(payload);
    else this.#onMessage({ type, streamId, timestamp, payload });
  }

  #release(stream: ChunkStream): void {
    this.#partialBytes -= stream.length;
    stream.payload = NOTHING;
    stream.received = 0;
  }

  #setChunkSize(payload: Buffer): void {
    const size = payload.length >= 4 ? payload.readUInt32BE() & 0x7fffffff : 0;
    if (size < 1) throw new ProtocolError('CHUNK', 'The peer set a chunk size of 0.');
    this.#chunkSize = Math.min(size, MAX_CHUNK_SIZE);
  }

  #abort(payload: Buffer): void {
    const stream = payload.length >= 4 ? this.#streams.get(payload.readUInt32BE()) : undefined;
    if (stream && stream.received > 0) this.#release(stream);
  }
}

function basicHeaderBytes(first: number): number {
  const low = first & 0x3f;
  return low === 0 ? 2 : low === 1 ? 3 : 1;
}

function chunkStreamId(buffer: Buffer, at: number, basic: number): number {
  if (basic === 1) return (buffer[at] as number) & 0x3f;
  const second = buffer[at + 1] as number;
  return basic === 2 ? 64 + second : 64 + second + (buffer[at + 2] as number) * 256;
}
