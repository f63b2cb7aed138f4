/**
 * The forms in which a stream leaves a node. A message is encoded at most once per form, when someone first needs it;
 * the resulting bytes are shared by all viewers of that form and never written to.
 */

import { relayMark } from '../relay/mark.ts';
import { writeChunks } from '../rtmp/chunk-writer.ts';
import type { Protocol } from '../rtmp/protocol.ts';
import type { HubMessage } from './hub-log.ts';

/**
 * - `rtmp`: RTMP chunks on message stream 1, viewers' timestamps
 * - `relay`: the same with the publisher's timestamps, and a mark (relay/mark.ts) wherever the numbering breaks
 * - `flv`: FLV tags, viewers' timestamps
 * - `ws-flv`: the same inside one WebSocket frame per write
 */
export type EncodingName = 'rtmp' | 'relay' | 'flv' | 'ws-flv';

/** All media for RTMP viewers is sent on the one message stream `createStream` gives. */
export const MEDIA_STREAM_ID = 1;

/** One form. */
export interface Encoding {
  readonly name: EncodingName;
  /** Bytes of one message. */
  encode(message: HubMessage): Buffer;
  /** Puts messages together for one write; `sizeBytes` is their sum. */
  join(parts: readonly Buffer[], sizeBytes: number): Buffer;
}

/** The encodings of one node; they keep no state besides the protocol's. */
export type Encodings = { readonly [K in EncodingName]: Encoding };

/** All encodings with the node's chunk size. */
export function createEncodings(protocol: Protocol, chunkSizeBytes: number): Encodings {
  const chunks = (message: HubMessage, timestamp: number) =>
    writeChunks(message.type, MEDIA_STREAM_ID, timestamp, message.payload, chunkSizeBytes);
  // Metadata stands at 0 for viewers: ffmpeg takes script data at any other time for a track of texts.
  const viewerTime = (message: HubMessage) => (message.kind === 'metadata' ? 0 : message.viewerTimestamp);
  const rtmp = (message: HubMessage) => (message.rtmp ??= chunks(message, viewerTime(message)));
  const flv = (message: HubMessage) =>
    (message.flv ??= protocol.flvTag(message.type, viewerTime(message), message.payload));
  const relay = (message: HubMessage) => {
    if (!message.breaks && message.viewerTimestamp === message.timestamp) return rtmp(message);
    message.relay ??= message.breaks
      ? Buffer.concat([relayMark(message, chunkSizeBytes), chunks(message, message.timestamp)])
      : chunks(message, message.timestamp);
    return message.relay;
  };
  return {
    rtmp: { name: 'rtmp', encode: rtmp, join: concat },
    relay: { name: 'relay', encode: relay, join: concat },
    flv: { name: 'flv', encode: flv, join: concat },
    'ws-flv': { name: 'ws-flv', encode: flv, join: webSocketFrame },
  };
}

function concat(parts: readonly Buffer[], sizeBytes: number): Buffer {
  const [only] = parts;
  return parts.length === 1 && only ? only : Buffer.concat(parts as Buffer[], sizeBytes);
}

const BINARY_FINAL = 0x82;

/** One binary frame (RFC 6455 §5.2); a server's frames are not masked, so viewers can share it. */
export function webSocketFrame(parts: readonly Buffer[], sizeBytes: number): Buffer {
  const headBytes = sizeBytes < 126 ? 2 : sizeBytes < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(headBytes + sizeBytes);
  frame[0] = BINARY_FINAL;
  if (headBytes === 2) frame[1] = sizeBytes;
  else if (headBytes === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(sizeBytes, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(sizeBytes), 2);
  }
  let at = headBytes;
  for (const part of parts) at += part.copy(frame, at);
  return frame;
}
