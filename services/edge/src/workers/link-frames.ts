/**
 * What a worker and the primary say to each other over a link (one Unix socket per stream and direction): media messages
 * as they are, and small control messages as JSON. Before it: a hub's tap or a publisher's session; after it: a hub.
 *
 *   frame   = length:u32 (of all that follows) type:u8 body
 *   control = type 0, body JSON
 *   media   = type 8, 9 or 18, body timestamp:u32 epoch:f64 sequence:f64 socketBytes:f64 payload
 */
import type { Socket } from 'node:net';
import type { CloseReason, Protocol } from '@weir/contracts/events';
import { type MediaMessage, toMedia } from '../stream/media.ts';

/** Where a message belongs; see hub.ts. */
export interface LinkPosition {
  /** 0 from a publisher, which does not know it. */
  epoch: number;
  /** -1 = a header ahead of the media, or from a publisher. */
  sequence: number;
  /** Bytes the publisher's socket has brought so far; 0 towards viewers. */
  socketBytes: number;
}

/** First message of a link: what it is for. */
export type LinkRequest =
  | { kind: 'play'; app: string; name: string }
  | {
      kind: 'publish';
      app: string;
      name: string;
      /** As in a URL. */
      query: string;
      protocol: Protocol;
      userAgent: string;
      address: string;
      port: number;
    };

/** Control messages after the first. */
export type LinkControl =
  | { kind: 'granted' }
  | { kind: 'refused'; refused: CloseReason; description: string }
  /** To a publisher's worker: close its session. */
  | { kind: 'revoke'; reason: CloseReason }
  /** To a viewer's worker: there is no media at present. */
  | { kind: 'interrupted' }
  /** To a viewer's worker: the stream is over. */
  | { kind: 'ended' }
  /** From a viewer's worker: totals of the viewers behind this link. */
  | { kind: 'audience'; viewers: number; bytesOut: number; framesDropped: number }
  /** From a publisher's worker: it is gone. */
  | { kind: 'gone'; reason: CloseReason; bytesIn: number; bytesOut: number };

const LENGTH_BYTES = 4;
const MEDIA_HEAD_BYTES = 1 + 4 + 8 + 8 + 8;
const CONTROL = 0;

/** Writes a control message. */
export function writeControl(socket: Socket, message: LinkRequest | LinkControl): void {
  const json = Buffer.from(JSON.stringify(message));
  const head = Buffer.allocUnsafe(LENGTH_BYTES + 1);
  head.writeUInt32BE(json.length + 1, 0);
  head.writeUInt8(CONTROL, LENGTH_BYTES);
  socket.write(Buffer.concat([head, json]));
}

/** Writes a media message; the payload is shared, not copied. */
export function writeMedia(
  socket: Socket,
  { type, timestamp, payload }: Pick<MediaMessage, 'type' | 'timestamp' | 'payload'>,
  { epoch, sequence, socketBytes }: LinkPosition,
): void {
  const head = Buffer.allocUnsafe(LENGTH_BYTES + MEDIA_HEAD_BYTES);
  head.writeUInt32BE(MEDIA_HEAD_BYTES + payload.length, 0);
  head.writeUInt8(type, 4);
  head.writeUInt32BE(timestamp >>> 0, 5);
  head.writeDoubleBE(epoch, 9);
  head.writeDoubleBE(sequence, 17);
  head.writeDoubleBE(socketBytes, 25);
  // What one read of the source brought leaves in one write.
  if (socket.writableCorked === 0) {
    socket.cork();
    process.nextTick(() => socket.uncork());
  }
  socket.write(head);
  socket.write(payload);
}

/** Who takes what a link brings. */
export interface LinkReceiver {
  onMedia(media: MediaMessage, position: LinkPosition): void;
  onControl(message: LinkRequest | LinkControl): void;
}

/** Cuts what a link brings into frames. Both ends are ours: nothing is checked but what could come in pieces. */
export class LinkReader {
  readonly #receiver: LinkReceiver;
  #chunks: Buffer[] = [];
  #sizeBytes = 0;
  #wantedBytes = LENGTH_BYTES;

  constructor(receiver: LinkReceiver) {
    this.#receiver = receiver;
  }

  /** Takes the next bytes; the receiver may keep the payloads. */
  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#sizeBytes += chunk.length;
    if (this.#sizeBytes < this.#wantedBytes) return;
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#sizeBytes);
    let at = 0;
    this.#wantedBytes = LENGTH_BYTES;
    while (bytes.length - at >= LENGTH_BYTES) {
      const frameBytes = LENGTH_BYTES + bytes.readUInt32BE(at);
      if (bytes.length - at < frameBytes) {
        this.#wantedBytes = frameBytes;
        break;
      }
      this.#frame(bytes.subarray(at + LENGTH_BYTES, at + frameBytes));
      at += frameBytes;
    }
    this.#chunks = at < bytes.length ? [bytes.subarray(at)] : [];
    this.#sizeBytes = bytes.length - at;
  }

  #frame(frame: Buffer): void {
    const type = frame.readUInt8(0);
    if (type === CONTROL) {
      this.#receiver.onControl(JSON.parse(frame.toString('utf8', 1)) as LinkRequest | LinkControl);
      return;
    }
    const media = toMedia(type, frame.readUInt32BE(1), frame.subarray(MEDIA_HEAD_BYTES));
    const position = {
      epoch: frame.readDoubleBE(5),
      sequence: frame.readDoubleBE(13),
      socketBytes: frame.readDoubleBE(21),
    };
    if (media) this.#receiver.onMedia(media, position);
  }
}
