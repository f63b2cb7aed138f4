/**
 * One RTMP connection, either side: handshake, then messages in and bytes out, with acknowledgements and pings answered.
 * Before it: a socket; after it: a session (server) or a client, which give the messages their meaning.
 */

import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { type AmfObject, type AmfValue, encodeAmf } from './amf0.ts';
import { ChunkReader } from './chunk-reader.ts';
import { writeChunks } from './chunk-writer.ts';
import { ProtocolError } from './errors.ts';
import { type RtmpMessage, TYPE } from './message.ts';
import { HANDSHAKE_HELLO_BYTES, HANDSHAKE_PACKET_BYTES, type Protocol, RTMP_VERSION, USER_EVENT } from './protocol.ts';

/** Acknowledgement window until the peer names another. */
const DEFAULT_WINDOW_BYTES = 2_500_000;

/** What a {@link RtmpPeer} tells its owner. What `ready` and `message` throw comes back by `fault`. */
export interface PeerHandlers {
  /** The handshake is done. */
  ready(): void;
  /** A message that is not about the transport itself. */
  message(message: RtmpMessage): void;
  /** The peer broke the protocol (ProtocolError), or we did (any other); nothing further is read. The owner closes. */
  fault(error: unknown): void;
}

/** Options of {@link RtmpPeer}. */
export interface PeerOptions {
  socket: Socket;
  protocol: Protocol;
  side: 'server' | 'client';
  /** Largest message accepted at first. */
  maxMessageBytes: number;
  /** Chunk size of what is sent after {@link RtmpPeer.announceChunkSize}. */
  chunkSizeBytes: number;
  handlers: PeerHandlers;
}

/** Reads the socket from construction on; never closes it. */
export class RtmpPeer {
  readonly socket: Socket;
  readonly reader: ChunkReader;
  readonly #protocol: Protocol;
  readonly #side: 'server' | 'client';
  readonly #handlers: PeerHandlers;
  readonly #chunkSizeBytes: number;
  #outChunkSize = 128;
  #hello: Buffer | undefined = Buffer.allocUnsafe(HANDSHAKE_HELLO_BYTES);
  #helloBytes = 0;
  /** Bytes of the handshake's last packet still to come. */
  #tailBytes = HANDSHAKE_PACKET_BYTES;
  #windowBytes = DEFAULT_WINDOW_BYTES;
  #receivedBytes = 0;
  #acknowledgedBytes = 0;

  constructor(options: PeerOptions) {
    this.socket = options.socket;
    this.#protocol = options.protocol;
    this.#side = options.side;
    this.#handlers = options.handlers;
    this.#chunkSizeBytes = options.chunkSizeBytes;
    this.reader = new ChunkReader(options.maxMessageBytes, (message) => this.#receive(message));
    this.socket.on('data', (data: Buffer) => this.#read(data));
  }

  /** Chunk size of what is sent now. */
  get outChunkSize(): number {
    return this.#outChunkSize;
  }

  /** Client side: sends C0 and C1. */
  sayHello(): void {
    const hello = Buffer.alloc(HANDSHAKE_HELLO_BYTES);
    hello[0] = RTMP_VERSION;
    randomBytes(HANDSHAKE_PACKET_BYTES - 8).copy(hello, 9);
    this.send(hello);
  }

  /** Hands bytes to the socket. A socket that is closing ignores them. */
  send(bytes: Buffer): void {
    if (this.socket.writable) this.socket.write(bytes);
  }

  /** Announces the configured chunk size and uses it from then on. */
  announceChunkSize(): void {
    this.send(this.#protocol.chunkSize(this.#chunkSizeBytes));
    this.#outChunkSize = this.#chunkSizeBytes;
  }

  /** Announces the acknowledgement window in both directions. */
  announceWindow(bytes: number): void {
    this.send(this.#protocol.windowAcknowledgement(bytes));
    this.send(this.#protocol.peerBandwidth(bytes));
  }

  /** Sends a user control message, see {@link USER_EVENT}. */
  userControl(event: number, value: number): void {
    this.send(this.#protocol.userControl(event, value));
  }

  /** Sends an AMF0 command: name, transaction id, then the values. */
  command(streamId: number, name: string, transaction: number, ...values: AmfValue[]): void {
    const payload = encodeAmf(name, transaction, ...values);
    this.send(writeChunks(TYPE.command, streamId, 0, payload, this.#outChunkSize));
  }

  /** Sends `onStatus` for a message stream. */
  status(streamId: number, level: 'status' | 'error', code: string, description: string): void {
    const info: AmfObject = { level, code, description };
    this.command(streamId, 'onStatus', 0, null, info);
  }

  /** Sends a whole message. */
  sendMessage(message: RtmpMessage): void {
    this.send(writeChunks(message.type, message.streamId, message.timestamp, message.payload, this.#outChunkSize));
  }

  /** Reads nothing further. */
  stop(): void {
    this.#hello = undefined;
    this.#tailBytes = 0;
    this.reader.stop();
  }

  #read(data: Buffer): void {
    this.#receivedBytes += data.length;
    try {
      const rest = this.#hello || this.#tailBytes > 0 ? this.#shakeHands(data) : data;
      if (rest.length > 0) this.reader.push(rest);
    } catch (error) {
      this.stop();
      this.#handlers.fault(error);
      return;
    }
    if (this.#receivedBytes - this.#acknowledgedBytes >= this.#windowBytes) {
      this.#acknowledgedBytes = this.#receivedBytes;
      this.send(this.#protocol.acknowledgement(this.#receivedBytes));
    }
  }

  /** Takes the bytes of the handshake off `data` and returns the rest. */
  #shakeHands(data: Buffer): Buffer {
    let at = 0;
    const hello = this.#hello;
    if (hello) {
      if (this.#helloBytes === 0 && data[0] !== RTMP_VERSION) {
        throw new ProtocolError('HANDSHAKE', `The first byte is 0x${data[0]?.toString(16)}, not RTMP's 3.`);
      }
      at = data.copy(hello, this.#helloBytes, 0);
      this.#helloBytes += at;
      if (this.#helloBytes < HANDSHAKE_HELLO_BYTES) return data.subarray(at);
      this.#hello = undefined;
      // Server: S0, S1, S2 answer C0 and C1. Client: C2 repeats S1.
      this.send(this.#side === 'server' ? this.#protocol.answerHandshake(hello) : hello.subarray(1));
    }
    const tail = Math.min(this.#tailBytes, data.length - at);
    this.#tailBytes -= tail;
    if (this.#tailBytes === 0) this.#handlers.ready();
    return data.subarray(at + tail);
  }

  #receive(message: RtmpMessage): void {
    const { type, payload } = message;
    if (type === TYPE.windowAcknowledgement) {
      if (payload.length >= 4) this.#windowBytes = Math.max(1, payload.readUInt32BE());
    } else if (type === TYPE.userControl) {
      if (payload.length >= 6 && payload.readUInt16BE() === USER_EVENT.pingRequest) {
        this.userControl(USER_EVENT.pingResponse, payload.readUInt32BE(2));
      }
    } else if (type !== TYPE.acknowledgement && type !== TYPE.peerBandwidth) {
      this.#handlers.message(message);
    }
  }
}
