/**
 * One stream inside one process: what comes from its source (a publisher here, or a relay) is put on the viewers'
 * timeline, kept for newcomers, and fanned out. Viewers stay attached whatever happens to the source.
 *
 *   empty ──media──▶ live ──source lost──▶ interrupted ──media──▶ live
 *
 * An epoch is one publisher. Within an epoch messages are numbered, so a new source of the same epoch goes on right
 * after the last message; a hole, or another epoch, goes on at a key frame.
 */
import type { CloseReason } from '@weir/contracts/events';
import { relayMark, relaySign } from '../relay/mark.ts';
import type { Encoding, EncodingName, Encodings } from './encoding.ts';
import { GopCache, type GopLimits } from './gop-cache.ts';
import { HubLog, type HubMessage, UNNUMBERED } from './hub-log.ts';
import { Lane } from './lane.ts';
import type { MediaMessage } from './media.ts';
import { type Flushable, GROUPS, type MergeClock } from './merge-clock.ts';
import { Timeline, timestampDelta } from './timeline.ts';
import type { Viewer } from './viewer.ts';

/** What all hubs of a node share. */
export interface HubOptions {
  app: string;
  name: string;
  clock: MergeClock;
  encodings: Encodings;
  chunkSizeBytes: number;
  gop: GopLimits;
  /** Queue of one viewer above which it is skipped up to the next key frame. */
  viewerQueueBytes: number;
  /**
   * Age of the oldest queued data of one viewer above which it is skipped up to the next key frame. It is put out when
   * the kernel takes nothing of its queue for so long, or when its queue gets twice as old all the same.
   */
  viewerQueueMs: number;
}

/** Viewers that are served elsewhere with what a tap takes: by another process of the node. Counters are totals. */
export interface Audience {
  viewers: number;
  /** Media bytes handed to sockets. */
  bytesOut: number;
  /** Messages not sent to slow viewers. */
  framesDropped: number;
}

/** Who takes a stream's messages inside the node, to make something else of them. */
export interface HubTap {
  /** Counted as if they were viewers of the hub; absent = none. */
  readonly audience?: Readonly<Audience>;
  onMessage(message: HubMessage): void;
  /** The stream is over; nothing follows. */
  onEnd(): void;
}

/** A window is cut short when this much waits in it. */
const URGENT_BYTES = 1_048_576;
/** A stream without video begins for its viewers after so much of it. */
const AUDIO_ONLY_AFTER_MS = 500;
/** The log is trimmed when it is longer. */
const TRIM_ABOVE = 64;

/** See the head of the file. */
export class Hub implements Flushable {
  readonly app: string;
  readonly name: string;
  /** Publisher in force, 0 = none yet. */
  epoch = 0;
  /** Number the next message of this epoch will have. */
  nextSequence = 0;
  /** Nodes between the publisher and this one, 0 on the publishing edge. */
  hops = 0;
  state: 'empty' | 'live' | 'interrupted' = 'empty';
  bytesIn = 0;
  videoFrames = 0;
  audioFrames = 0;
  messageCount = 0;
  readonly log = new HubLog();
  readonly viewerQueueBytes: number;
  readonly viewerQueueMs: number;
  readonly #options: HubOptions;
  readonly #gop: GopCache;
  readonly #timeline = new Timeline();
  readonly #lanes = new Map<EncodingName, Lane>();
  readonly #waiting = new Set<Viewer>();
  readonly #taps = new Set<HubTap>();
  /** Of taps that are gone. */
  readonly #tapped: Omit<Audience, 'viewers'> = { bytesOut: 0, framesDropped: 0 };
  #keyIndex = -1;
  #sawKey = false;
  #awaitsKey = false;
  #epochStart: number | undefined;
  #last: HubMessage | undefined;
  #shownMessages = 0;

  constructor(options: HubOptions) {
    this.#options = options;
    this.app = options.app;
    this.name = options.name;
    this.viewerQueueBytes = options.viewerQueueBytes;
    this.viewerQueueMs = options.viewerQueueMs;
    this.#gop = new GopCache(options.gop);
  }

  /** Viewers and relays, those included that wait for the stream to begin. */
  get viewerCount(): number {
    let count = this.#waiting.size;
    for (const lane of this.#lanes.values()) count += lane.count;
    return count;
  }

  /** Viewers without the relays. */
  get audienceCount(): number {
    let count = 0;
    for (const [name, lane] of this.#lanes) if (name !== 'relay') count += lane.count;
    for (const viewer of this.#waiting) if (viewer.transport.encoding !== 'relay') count += 1;
    for (const { audience } of this.#taps) count += audience?.viewers ?? 0;
    return count;
  }

  /** Viewers' timestamp of the newest message, ms modulo 2^32; -1 before the first. */
  get newestTimestampMs(): number {
    return this.#last?.viewerTimestamp ?? -1;
  }

  /** Media bytes handed to sockets, total. */
  get bytesOut(): number {
    let bytes = this.#tapped.bytesOut;
    for (const lane of this.#lanes.values()) bytes += lane.bytesOut;
    for (const { audience } of this.#taps) bytes += audience?.bytesOut ?? 0;
    return bytes;
  }

  /** Messages not sent to slow viewers, total. */
  get framesDropped(): number {
    let frames = this.#tapped.framesDropped;
    for (const lane of this.#lanes.values()) frames += lane.framesDropped;
    for (const { audience } of this.#taps) frames += audience?.framesDropped ?? 0;
    return frames;
  }

  /** A publisher took over; its messages are numbered from 0. Viewers go on at its first key frame. */
  beginEpoch(epoch: number): void {
    this.epoch = epoch;
    this.nextSequence = 0;
    this.#gop.clear();
    this.#epochStart = undefined;
    this.#keyIndex = -1;
    this.#sawKey = false;
    this.#awaitsKey = true;
    this.#timeline.beginEpoch();
  }

  /** A message with its number. One that was had before is ignored; one after a hole waits for a key frame. */
  push(media: MediaMessage, sequence: number): void {
    if (sequence < this.nextSequence) return;
    if (sequence > this.nextSequence) this.#awaitsKey = true;
    this.nextSequence = sequence + 1;
    this.bytesIn += media.payload.length;
    this.messageCount += 1;
    if (media.type === 9) this.videoFrames += 1;
    else if (media.type === 8) this.audioFrames += 1;
    this.#append(media, sequence);
  }

  /** A header an upstream sent ahead of its media; passed on only when it is not what is known already. */
  pushHeader(media: MediaMessage): void {
    const known = this.#gop.headers().some((one) => one.slot === media.slot && one.payload.equals(media.payload));
    if (!known) this.#append(media, UNNUMBERED);
  }

  /** The source is gone; viewers stay, newcomers wait until media comes again. */
  interrupt(): void {
    if (this.state === 'live') this.state = 'interrupted';
  }

  /** Takes a viewer: it is sent headers and GOP at once, or when the stream begins. */
  attach(viewer: Viewer): void {
    if (this.viewerCount === 0) this.#options.clock.add(this);
    if (this.state === 'live' && this.#canBegin()) this.#start(viewer);
    else this.#waiting.add(viewer);
  }

  /** Lets a viewer go; harmless when it is not here. */
  detach(viewer: Viewer): void {
    const before = this.viewerCount;
    this.#waiting.delete(viewer);
    if (viewer.place) {
      this.#options.clock.left(viewer.place.group);
      this.#lane(viewer.transport.encoding).remove(viewer);
    }
    if (before > 0 && this.viewerCount === 0) this.#options.clock.delete(this);
  }

  /** Number of taps: they keep a stream alive as viewers do. */
  get tapCount(): number {
    return this.#taps.size;
  }

  /** Gives `tap` headers and newest GOP at once, then every message as it comes. */
  tap(tap: HubTap): void {
    this.#taps.add(tap);
    for (const message of [...this.#gop.headers(), ...this.#gop.gop]) tap.onMessage(message);
  }

  untap(tap: HubTap): void {
    if (!this.#taps.delete(tap)) return;
    this.#tapped.bytesOut += tap.audience?.bytesOut ?? 0;
    this.#tapped.framesDropped += tap.audience?.framesDropped ?? 0;
  }

  /** True while the viewer waits for the stream to begin. */
  isWaiting(viewer: Viewer): boolean {
    return this.#waiting.has(viewer);
  }

  /** Tells every viewer that it is over and lets them go. */
  end(reason: CloseReason): void {
    for (let group = 0; group < GROUPS; group += 1) this.flush(group);
    for (const viewer of this.viewers()) {
      this.detach(viewer);
      viewer.transport.end(reason);
    }
    for (const tap of [...this.#taps]) {
      this.untap(tap);
      tap.onEnd();
    }
    this.state = 'empty';
  }

  /** All viewers and relays, those that wait included; a copy. */
  viewers(): Viewer[] {
    return [...this.#waiting, ...[...this.#lanes.values()].flatMap((lane) => lane.viewers())];
  }

  flush(group: number): void {
    for (const lane of this.#lanes.values()) lane.flush(group);
    if (this.log.end - this.log.start > TRIM_ABOVE) this.#trim();
  }

  /** Puts out viewers that take nothing; called about once a second. */
  sweep(nowMs: number): void {
    for (const lane of this.#lanes.values()) {
      for (const viewer of lane.viewers()) {
        viewer.look(nowMs);
        if (viewer.isOlderThan(this.viewerQueueMs)) {
          viewer.lags = true;
          viewer.awaitsKey = true;
        }
        if (viewer.stuckMs < this.viewerQueueMs && !viewer.isOlderThan(2 * this.viewerQueueMs)) continue;
        this.detach(viewer);
        viewer.transport.end('slow-viewer');
      }
    }
  }

  /** Shows relays a sign of life when nothing came since the last call; called well within what counts as a stall. */
  showLife(): void {
    const isQuiet = this.messageCount === this.#shownMessages;
    this.#shownMessages = this.messageCount;
    if (!isQuiet) return;
    const sign = relaySign(this.state === 'live' ? 'quiet' : 'waiting', this.#options.chunkSizeBytes);
    for (const viewer of this.viewers()) if (viewer.transport.encoding === 'relay') viewer.socket.write(sign);
  }

  resumeIndex(): number {
    const index = this.#gop.hasVideo ? this.#keyIndex : this.log.end - 1;
    return index < this.log.start ? -1 : index;
  }

  get hasVideo(): boolean {
    return this.#gop.hasVideo;
  }

  resumePrefix(encoding: Encoding, index: number): Buffer | undefined {
    if (encoding.name !== 'relay') return undefined;
    return relayMark(this.log.at(index), this.#options.chunkSizeBytes);
  }

  #append(media: MediaMessage, sequence: number): void {
    const isHeader = media.kind === 'header' || media.kind === 'metadata';
    if (this.#awaitsKey && !isHeader && !this.#endsWait(media)) return;
    const last = this.#last;
    const message: HubMessage = {
      ...media,
      // Headers say nothing about time (many publishers send them with 0): they go with what was sent last.
      viewerTimestamp: isHeader ? this.#headerTimestamp(media) : this.#timeline.map(media.timestamp),
      epoch: this.epoch,
      sequence,
      hops: this.hops + 1,
      breaks: !last || last.epoch !== this.epoch || !follows(last.sequence, sequence),
    };
    this.#last = message;
    const index = this.log.push(message);
    if (message.kind === 'key') {
      this.#keyIndex = index;
      this.#sawKey = true;
    }
    this.#gop.push(message);
    for (const tap of this.#taps) tap.onMessage(message);
    if (!isHeader) {
      this.state = 'live';
      this.#epochStart ??= media.timestamp;
      if (this.#waiting.size > 0 && this.#canBegin()) for (const viewer of [...this.#waiting]) this.#start(viewer);
    }
    if (this.log.end - this.log.start > TRIM_ABOVE || this.log.sizeBytes > URGENT_BYTES) this.#trim();
    if (this.#lanes.size > 0) this.#options.clock.changed(this, this.log.sizeBytes > URGENT_BYTES);
  }

  #headerTimestamp(media: MediaMessage): number {
    return this.#last && this.#last.epoch !== 0 ? this.#last.viewerTimestamp : media.timestamp;
  }

  /** After a hole or a new publisher: at a key frame, or at once without video. */
  #endsWait(media: MediaMessage): boolean {
    if (media.kind !== 'key' && (this.#gop.hasVideo || media.type === 9)) return false;
    this.#awaitsKey = false;
    return true;
  }

  /** True when a newcomer can be sent something to start from, or when waiting longer would not help. */
  #canBegin(): boolean {
    if (this.#gop.gop.length > 0) return true;
    if (this.#gop.hasVideo) return this.#sawKey;
    const last = this.#last;
    return (
      last !== undefined && timestampDelta(last.timestamp, this.#epochStart ?? last.timestamp) >= AUDIO_ONLY_AFTER_MS
    );
  }

  #start(viewer: Viewer): void {
    this.#waiting.delete(viewer);
    const lane = this.#lane(viewer.transport.encoding);
    const { hasAudio, hasVideo } = this.#gop;
    viewer.next = this.log.end;
    viewer.awaitsKey = hasVideo && this.#gop.gop.length === 0;
    viewer.socket.cork();
    viewer.transport.begin({ hasAudio, hasVideo });
    const first = this.#newcomersBuffer(lane.encoding);
    if (first.length > 0) viewer.socket.write(first);
    lane.bytesOut += first.length;
    viewer.socket.uncork();
    this.#options.clock.joined(lane.add(viewer, this.#options.clock.leastLoaded()).group);
  }

  /** Headers and GOP as one buffer. */
  #newcomersBuffer(encoding: Encoding): Buffer {
    const headers = this.#gop.headers();
    const gop = this.#gop.gop;
    const parts: Buffer[] = [];
    if (encoding.name === 'relay') parts.push(this.#mark(UNNUMBERED));
    // Headers go with the first message's time, so that no player sees a jump between them.
    const time = gop[0] ?? this.#last;
    for (const header of headers) {
      const { type, kind, slot, payload, epoch, sequence, hops } = header;
      const at = { timestamp: time?.timestamp ?? 0, viewerTimestamp: time?.viewerTimestamp ?? 0 };
      parts.push(encoding.encode({ type, kind, slot, payload, epoch, sequence, hops, breaks: false, ...at }));
    }
    if (encoding.name === 'relay') parts.push(this.#mark(gop[0]?.sequence ?? this.nextSequence));
    for (const message of gop) parts.push(encoding.encode(message));
    return encoding.join(
      parts,
      parts.reduce((sum, part) => sum + part.length, 0),
    );
  }

  #mark(sequence: number): Buffer {
    return relayMark({ epoch: this.epoch, sequence, hops: this.hops + 1 }, this.#options.chunkSizeBytes);
  }

  #lane(name: EncodingName): Lane {
    const known = this.#lanes.get(name);
    if (known) return known;
    const lane = new Lane(this, this.#options.encodings[name]);
    this.#lanes.set(name, lane);
    return lane;
  }

  #trim(): void {
    let least = this.log.end;
    for (const lane of this.#lanes.values()) least = Math.min(least, lane.servedUpTo());
    this.log.trim(least);
  }
}

function follows(before: number, sequence: number): boolean {
  return sequence === UNNUMBERED ? before === UNNUMBERED : sequence === before + 1 && before !== UNNUMBERED;
}
