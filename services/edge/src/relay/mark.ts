/**
 * What nodes tell each other between the media of a relay: the data message `onWeirRelay` with one object.
 *
 *   { epoch, sequence: -1, hops }   headers follow, which have no number
 *   { epoch, sequence: n, hops }    the next media message is number n of this epoch, each further one is one more
 *   { state: 'waiting' }            a sign of life while there is no media: the publisher is away
 *   { state: 'quiet' }              the same: the publisher is there and sends nothing
 *
 * An epoch is one publisher (the Unix milliseconds of its start). The publishing edge numbers its messages, every hop
 * hands epoch, numbers and timestamps on: so a node that changes its source goes on right after the last message it had.
 */
import { asAmfObject, decodeAmf, encodeAmf } from '../rtmp/amf0.ts';
import { writeChunks } from '../rtmp/chunk-writer.ts';
import { TYPE } from '../rtmp/message.ts';

const NAME = 'onWeirRelay';
const PREFIX = encodeAmf(NAME);
const MEDIA_STREAM_ID = 1;

/** Where a relay stands. */
export interface RelayPosition {
  epoch: number;
  /** Number of the next message; -1 = headers follow. */
  sequence: number;
  /** Nodes between the publisher and the receiver, the sender included. */
  hops: number;
}

/** A mark as received: a position, or a sign of life. */
export type RelayMark = ({ kind: 'position' } & RelayPosition) | { kind: 'waiting' } | { kind: 'quiet' };

/** The chunks of a position mark. */
export function relayMark({ epoch, sequence, hops }: RelayPosition, chunkSizeBytes: number): Buffer {
  return writeChunks(TYPE.data, MEDIA_STREAM_ID, 0, encodeAmf(NAME, { epoch, sequence, hops }), chunkSizeBytes);
}

/** The chunks of a sign of life. */
export function relaySign(state: 'waiting' | 'quiet', chunkSizeBytes: number): Buffer {
  return writeChunks(TYPE.data, MEDIA_STREAM_ID, 0, encodeAmf(NAME, { state }), chunkSizeBytes);
}

/**
 * The mark in a data message's payload, or undefined when it is some other data message.
 * @throws ProtocolError when the payload begins like a mark and is not AMF.
 */
export function parseRelayMark(payload: Buffer): RelayMark | undefined {
  if (payload.length < PREFIX.length || payload.compare(PREFIX, 0, PREFIX.length, 0, PREFIX.length) !== 0) {
    return undefined;
  }
  const fields = asAmfObject(decodeAmf(payload)[1]);
  const { epoch, sequence, hops, state } = fields ?? {};
  if (typeof epoch !== 'number' || typeof sequence !== 'number') {
    return { kind: state === 'waiting' ? 'waiting' : 'quiet' };
  }
  return { kind: 'position', epoch, sequence, hops: typeof hops === 'number' ? hops : 0 };
}
