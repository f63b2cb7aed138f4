/**
 * The one file that knows node-media-server's protocol classes. Kept from them: the handshake (simple and digest), the
 * control messages, and FLV headers and tags. Ours instead (chunk-reader.ts, chunk-writer.ts, amf0.ts), because theirs
 * have no size bounds, misread 3-byte chunk ids, extended timestamps of type-3 chunks and C2 split over reads, write a
 * wrong length when a message is a multiple of the chunk size, count AMF string lengths in UTF-16 units, lose a byte
 * after ECMA arrays and print what they do not know. Their constructor takes a megabyte, so one instance serves a node:
 * every call is synchronous and leaves no state behind.
 */
import Flv from 'node-media-server/src/protocol/flv.js';
import Rtmp from 'node-media-server/src/protocol/rtmp.js';

/** Bytes of C0 and C1 together, and of S0 and S1 together. */
export const HANDSHAKE_HELLO_BYTES = 1_537;
/** Bytes of C2, S1 or S2. */
export const HANDSHAKE_PACKET_BYTES = 1_536;
/** The only protocol version there is (C0, S0). */
export const RTMP_VERSION = 3;

/** User control events (RTMP 1.0 §7.1.7). */
export const USER_EVENT = { streamBegin: 0, streamEof: 1, pingRequest: 6, pingResponse: 7 } as const;

const PEER_BANDWIDTH_DYNAMIC = 2;

/** Encodes what node-media-server encodes well. Every method returns bytes that belong to the caller. */
export class Protocol extends Rtmp {
  readonly #captured: Buffer[] = [];

  constructor() {
    super();
    this.onOutputCallback = (buffer) => this.#captured.push(buffer);
  }

  /** S0, S1 and S2 for a client's C0 and C1 ({@link HANDSHAKE_HELLO_BYTES} long). */
  answerHandshake(hello: Buffer): Buffer {
    this.handshakeState = 0;
    this.handshakeBytes = 0;
    return this.#capture(() => this.parserData(hello));
  }

  /** Tells the peer how many of its bytes arrived, modulo 2^32. */
  acknowledgement(bytes: number): Buffer {
    return this.#capture(() => this.sendACK(bytes >>> 0));
  }

  /** Asks the peer to acknowledge every `bytes`. */
  windowAcknowledgement(bytes: number): Buffer {
    return this.#capture(() => this.sendWindowACK(bytes));
  }

  /** Asks the peer to leave at most `bytes` unacknowledged. */
  peerBandwidth(bytes: number): Buffer {
    return this.#capture(() => this.setPeerBandwidth(bytes, PEER_BANDWIDTH_DYNAMIC));
  }

  /** Announces the chunk size of what follows. */
  chunkSize(bytes: number): Buffer {
    return this.#capture(() => this.setChunkSize(bytes));
  }

  /** A user control message with one 32-bit value (a stream id, or a ping's timestamp). */
  userControl(event: number, value: number): Buffer {
    return this.#capture(() => this.sendStreamStatus(event, value >>> 0));
  }

  /** The file header of an FLV stream, with the size of the tag before the first. */
  flvHeader(hasAudio: boolean, hasVideo: boolean): Buffer {
    return Flv.createHeader(hasAudio, hasVideo);
  }

  /** One FLV tag with the size behind it. `timestampMs` is taken modulo 2^32. */
  flvTag(type: number, timestampMs: number, payload: Buffer): Buffer {
    return Flv.createMessage({ codec_type: type, size: payload.length, dts: timestampMs, data: payload });
  }

  #capture(send: () => void): Buffer {
    this.#captured.length = 0;
    send();
    const bytes = this.#captured.length === 1 ? this.#captured[0] : undefined;
    return bytes ?? Buffer.concat(this.#captured);
  }
}
