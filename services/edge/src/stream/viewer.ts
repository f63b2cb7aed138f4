/**
 * One viewer (or downstream relay) of a hub: where it stands in the log, and whether it keeps up. What differs by
 * protocol (how a stream begins and ends) is its transport's; the socket is written to by the hub's lanes.
 */
import type { Socket } from 'node:net';
import type { CloseReason } from '@weir/contracts/events';
import type { EncodingName } from './encoding.ts';

/** What a client may be told of its connection when the stream begins. */
export interface Served {
  /** The connection's id. */
  connection: string;
  /** Viewers' timestamp of the newest message, ms modulo 2^32; -1 when there is none. */
  timestampMs: number;
}

/** The protocol's side of a viewer. */
export interface ViewerTransport {
  readonly socket: Socket;
  readonly encoding: EncodingName;
  /** Writes what precedes the first media (statuses, file header); called once, when the stream begins. */
  begin(tracks: { hasAudio: boolean; hasVideo: boolean }, served?: Served): void;
  /** Tells the client why and closes; called at most once, never after the socket closed. */
  end(reason: CloseReason): void;
}

/** A viewer's place in a lane; kept by the lane. */
export interface LanePlace {
  group: number;
  slot: number;
}

/** One viewer of one hub. */
export class Viewer {
  readonly transport: ViewerTransport;
  readonly socket: Socket;
  /** Number of the next log message to send. */
  next = 0;
  /** True while messages are skipped up to the next key frame. */
  awaitsKey = false;
  /** True while that is because its queue was full. */
  lags = false;
  /** True while the client has paused: nothing is sent. */
  paused = false;
  /** Messages not sent because the viewer did not keep up. */
  framesDropped = 0;
  place: LanePlace | undefined;
  /** Bytes the kernel had taken when the queue was last looked at, and since when it has not moved. */
  #delivered = 0;
  #stuckSinceMs = 0;

  constructor(transport: ViewerTransport) {
    this.transport = transport;
    this.socket = transport.socket;
  }

  /** Bytes handed to the socket and not yet taken by the kernel. */
  get queuedBytes(): number {
    return this.socket.writableLength;
  }

  /** For how long the kernel has taken nothing of a queue over `limitBytes`; 0 when it moves. Asked about once a second. */
  stuckForMs(limitBytes: number, nowMs: number): number {
    const delivered = this.socket.bytesWritten - this.socket.writableLength;
    if (this.socket.writableLength <= limitBytes || delivered !== this.#delivered || this.#stuckSinceMs === 0) {
      this.#delivered = delivered;
      this.#stuckSinceMs = nowMs;
    }
    return nowMs - this.#stuckSinceMs;
  }
}
