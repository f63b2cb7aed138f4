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

/** Looks remembered; later ones are left out, which makes the queue seem older than it is by the gap, never younger. */
const MAX_LOOKS = 300;

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
  /** True while there is sound and no picture that moves, from its beginning to the next key frame (see opening.ts). */
  seesStill = false;
  /** True while the client has paused: nothing is sent. */
  paused = false;
  /** Messages not sent because the viewer did not keep up. */
  framesDropped = 0;
  place: LanePlace | undefined;
  /** Age of the oldest data in its queue when it was last looked at, ms; at most one interval of looks too small. */
  queueAgeMs = 0;
  /** For how long the kernel had taken nothing of a queue when it was last looked at, ms. */
  stuckMs = 0;
  /** Bytes the kernel had taken when a queue was last looked at, and since when it has not moved; 0: there was none. */
  #delivered = 0;
  #stuckSinceMs = 0;
  /** Earlier looks, oldest first: the bytes handed over by then, some of which are still queued. */
  readonly #looks: { atMs: number; handed: number }[] = [];

  constructor(transport: ViewerTransport) {
    this.transport = transport;
    this.socket = transport.socket;
  }

  /** Bytes handed to the socket and not yet taken by the kernel. */
  get queuedBytes(): number {
    return this.socket.writableLength;
  }

  /** True when its queue holds data older than `ageMs`, as far as the last look tells. */
  isOlderThan(ageMs: number): boolean {
    return this.queueAgeMs > ageMs && this.socket.writableLength > 0;
  }

  /** Looks at the queue; about once a second. */
  look(nowMs: number): void {
    if (this.socket.writableLength === 0) {
      // Nearly every viewer at nearly every look: nothing else of its socket is read.
      this.stuckMs = 0;
      this.queueAgeMs = 0;
      this.#stuckSinceMs = 0;
      if (this.#looks.length > 0) this.#looks.length = 0;
      return;
    }
    const handed = this.socket.bytesWritten;
    const queued = untakenBytes(this.socket, handed);
    const delivered = handed - queued;
    if (queued === 0 || delivered !== this.#delivered || this.#stuckSinceMs === 0) {
      this.#delivered = delivered;
      this.#stuckSinceMs = nowMs;
    }
    this.stuckMs = nowMs - this.#stuckSinceMs;
    while ((this.#looks[0]?.handed ?? Number.POSITIVE_INFINITY) <= delivered) this.#looks.shift();
    if (queued > 0 && this.#looks.length < MAX_LOOKS) this.#looks.push({ atMs: nowMs, handed });
    this.queueAgeMs = nowMs - (this.#looks[0]?.atMs ?? nowMs);
  }
}

/** Node's handle of a TCP socket: what was handed to libuv in all, and how much of it the kernel has not taken yet. */
interface TcpHandle {
  bytesWritten?: number;
  writeQueueSize?: number;
}

/**
 * Bytes of `handed` (the socket's bytesWritten) that the kernel has not taken. `writableLength` alone falls only when all
 * that was gathered into one write is through, which for a slow viewer is minutes; so the handle is asked where there is one.
 */
function untakenBytes(socket: Socket, handed: number): number {
  const handle = (socket as { _handle?: TcpHandle | null })._handle;
  const isPlain = !('encrypted' in socket);
  if (!isPlain || handle?.bytesWritten === undefined || handle.writeQueueSize === undefined)
    return socket.writableLength;
  return handed - handle.bytesWritten + handle.writeQueueSize;
}
