/**
 * All viewers of one stream in one encoding, in phase groups. A flush sends a group everything since its last one: one
 * buffer, made once and shared, one socket.write per viewer. Before it: the hub's log; after it: the kernel.
 */
import type { Encoding } from './encoding.ts';
import { GROUPS } from './flush-run.ts';
import type { HubLog, HubMessage } from './hub-log.ts';
import { AUDIO } from './media.ts';
import type { LanePlace, Viewer } from './viewer.ts';

/** A group takes this many viewers of one stream before the next one is opened, so that small streams make one buffer. */
const GROUP_FILL = 64;

/** Queue of a lagging viewer, as a share of its limit, up to which it still gets sound. */
const SOUND_MARGIN = 1.25;

const NOTHING: Buffer = Buffer.alloc(0);

/** What a lane needs of its hub. */
export interface LaneHub {
  readonly log: HubLog;
  /** Number of the newest key frame in the log, -1 when there is none (or the stream has no video: any will do). */
  resumeIndex(): number;
  /** Bytes of one viewer's queue above which it is skipped up to the next key frame. */
  readonly viewerQueueBytes: number;
  /** Age of one viewer's queue above which the same happens. */
  readonly skipAfterMs: number;
  readonly hasVideo: boolean;
  /** Sent ahead of the message `index` when a viewer goes on there after a gap; undefined = nothing. */
  resumePrefix(encoding: Encoding, index: number): Buffer | undefined;
}

/** One encoding's viewers. */
export class Lane {
  readonly encoding: Encoding;
  /** Viewers, all groups. */
  count = 0;
  /** Bytes handed to sockets, total. */
  bytesOut = 0;
  /** Messages not sent to slow viewers, total. */
  framesDropped = 0;
  readonly #hub: LaneHub;
  readonly #groups: Viewer[][] = Array.from({ length: GROUPS }, () => []);
  /** Per group: log number up to which all its viewers have been served. */
  readonly #served: number[] = new Array<number>(GROUPS).fill(0);
  readonly #parts: Buffer[] = [];
  /** The buffer made last, with its range: groups flushed in the same turn share it. */
  #made: { start: number; end: number; buffer: Buffer } = { start: -1, end: -1, buffer: NOTHING };

  constructor(hub: LaneHub, encoding: Encoding) {
    this.#hub = hub;
    this.encoding = encoding;
  }

  /** Takes a viewer whose `next` is set. `leastLoaded` is the group to open when this stream's groups are filled. */
  add(viewer: Viewer, leastLoaded: number): LanePlace {
    const used = this.#groups.findIndex((group) => group.length > 0 && group.length < GROUP_FILL);
    const group = used >= 0 ? used : leastLoaded;
    const viewers = this.#groups[group] as Viewer[];
    if (viewers.length === 0) this.#served[group] = viewer.next;
    else this.#served[group] = Math.min(this.#served[group] as number, viewer.next);
    const place = { group, slot: viewers.push(viewer) - 1 };
    viewer.place = place;
    this.count += 1;
    return place;
  }

  /** Lets a viewer go. */
  remove(viewer: Viewer): void {
    const { place } = viewer;
    if (!place) return;
    viewer.place = undefined;
    const viewers = this.#groups[place.group] as Viewer[];
    const last = viewers.pop() as Viewer;
    if (last !== viewer) {
      viewers[place.slot] = last;
      (last.place as LanePlace).slot = place.slot;
    }
    this.count -= 1;
  }

  /** Log number up to which every viewer has been served; Infinity without viewers. */
  servedUpTo(): number {
    let least = Number.POSITIVE_INFINITY;
    for (let group = 0; group < GROUPS; group += 1) {
      if ((this.#groups[group] as Viewer[]).length > 0) least = Math.min(least, this.#served[group] as number);
    }
    return least;
  }

  /** Every viewer, in no order. A viewer may be removed while this runs only by way of a copy. */
  viewers(): Viewer[] {
    return this.#groups.flat();
  }

  /**
   * Sends one group what it has not had; returns how many viewers it has. The only allocation besides Node's own is the
   * shared buffer.
   */
  flush(group: number): number {
    const viewers = this.#groups[group] as Viewer[];
    const end = this.#hub.log.end;
    if (viewers.length === 0 || this.#served[group] === end) return 0;
    const limit = this.#hub.viewerQueueBytes;
    let bufferStart = -1;
    let buffer: Buffer | undefined;
    for (const viewer of viewers) {
      if (viewer.awaitsKey || viewer.paused || viewer.socket.writableLength > limit) {
        if (!this.#resume(viewer, end, limit)) continue;
      }
      if (viewer.next === end) continue;
      if (viewer.next !== bufferStart || !buffer) {
        bufferStart = viewer.next;
        buffer = this.#range(bufferStart, end);
      }
      viewer.next = end;
      viewer.socket.write(buffer);
      this.bytesOut += buffer.length;
    }
    this.#served[group] = end;
    return viewers.length;
  }

  /** Writes messages to one viewer alone, `prefix` ahead of them. */
  send(viewer: Viewer, messages: readonly HubMessage[], prefix: readonly Buffer[] = []): void {
    const parts = [...prefix, ...messages.map((message) => this.encoding.encode(message))];
    if (parts.length === 0) return;
    const buffer = this.encoding.join(
      parts,
      parts.reduce((sum, part) => sum + part.length, 0),
    );
    viewer.socket.write(buffer);
    this.bytesOut += buffer.length;
  }

  /** The messages from `start` up to, not including, `end` as one buffer. */
  #range(start: number, end: number): Buffer {
    if (start === this.#made.start && end === this.#made.end) return this.#made.buffer;
    const parts = this.#parts;
    parts.length = 0;
    let sizeBytes = 0;
    for (let index = start; index < end; index += 1) {
      const part = this.encoding.encode(this.#hub.log.at(index));
      sizeBytes += part.length;
      parts.push(part);
    }
    const buffer = this.encoding.join(parts, sizeBytes);
    parts.length = 0;
    this.#made = { start, end, buffer };
    return buffer;
  }

  /**
   * Sends a viewer whose video is skipped the sound (and the decoder headers) up to, not including, `end`: little, and what
   * people miss most. Returns how many messages. Not to relays, whose messages are numbered without holes.
   */
  #keepSound(viewer: Viewer, end: number, limit: number): number {
    const isRoom = viewer.socket.writableLength <= limit * SOUND_MARGIN;
    if (!isRoom || !this.#hub.hasVideo || this.encoding.name === 'relay') return 0;
    const kept: HubMessage[] = [];
    for (let index = viewer.next; index < end; index += 1) {
      const message = this.#hub.log.at(index);
      if (message.type === AUDIO || message.kind === 'header' || message.kind === 'metadata') kept.push(message);
    }
    this.send(viewer, kept);
    return kept.length;
  }

  /** Messages were not sent to a viewer because it did not keep up. */
  countDropped(viewer: Viewer, messages: number): void {
    viewer.framesDropped += messages;
    this.framesDropped += messages;
  }

  /** A viewer that is behind, paused or waits for a key frame: true when it may be sent to again, from `viewer.next`. */
  #resume(viewer: Viewer, end: number, limit: number): boolean {
    const queued = viewer.socket.writableLength;
    if (queued > limit) {
      viewer.lags = true;
      viewer.awaitsKey = true;
    }
    const key = this.#hub.resumeIndex();
    const isBehind = viewer.lags && (queued > limit / 2 || viewer.isOlderThan(this.#hub.skipAfterMs / 2));
    const stays = viewer.paused || isBehind || key < viewer.next;
    const until = stays ? end : key;
    if ((viewer.lags || viewer.seesStill) && !viewer.paused) {
      const skipped = until - viewer.next - this.#keepSound(viewer, until, limit);
      if (viewer.lags) this.countDropped(viewer, skipped);
    }
    viewer.next = until;
    if (stays) return false;
    viewer.lags = false;
    viewer.seesStill = false;
    viewer.awaitsKey = false;
    const prefix = this.#hub.resumePrefix(this.encoding, key);
    if (prefix) viewer.socket.write(prefix);
    return true;
  }
}
