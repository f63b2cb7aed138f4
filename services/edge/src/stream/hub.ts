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
import { CatchUp } from './catch-up.ts';
import type { Encoding, EncodingName, Encodings } from './encoding.ts';
import { GopCache, type GopLimits } from './gop-cache.ts';
import { HubLog, type HubMessage, UNNUMBERED } from './hub-log.ts';
import { Lane } from './lane.ts';
import type { MediaMessage } from './media.ts';
import { type Flushable, GROUPS, type MergeClock } from './merge-clock.ts';
import { openingFor } from './opening.ts';
import { type HubTap, Taps } from './taps.ts';
import { Timeline, timestampDelta } from './timeline.ts';
import type { Viewer } from './viewer.ts';

/** Options of {@link Hub}. */
export interface HubOptions {
  app: string;
  name: string;
  clock: MergeClock;
  encodings: Encodings;
  chunkSizeBytes: number;
  gop: GopLimits;
  /** How many times real time newcomers are brought to the present, above 1; 0 = in one burst. Not relays. */
  catchUpSpeed: number;
  /**
   * Low latency: what of the GOP cache a newcomer is sent at most, in media time; whoever's queue is older skips to the
   * newest key frame. Undefined: the usual way.
   */
  shortestMs: number | undefined;
  /** Queue of one viewer above which it is skipped up to the next key frame. */
  viewerQueueBytes: number;
  /**
   * Age of the oldest queued data of one viewer above which it is skipped up to the next key frame. It is put out when
   * the kernel takes nothing of its queue for so long, or when its queue gets twice as old all the same.
   */
  viewerQueueMs: number;
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
  /** Age of one viewer's queue above which it is skipped up to the next key frame. */
  readonly skipAfterMs: number;
  readonly #options: HubOptions;
  readonly #gop: GopCache;
  readonly #timeline = new Timeline();
  readonly #lanes = new Map<EncodingName, Lane>();
  readonly #waiting = new Set<Viewer>();
  readonly #catchUp: CatchUp;
  readonly #taps = new Taps();
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
    this.skipAfterMs = Math.min(options.shortestMs ?? Number.POSITIVE_INFINITY, options.viewerQueueMs);
    this.#gop = new GopCache(options.gop);
    const { catchUpSpeed: speed, shortestMs } = options;
    this.#catchUp = new CatchUp({ hub: this, speed, skipsAhead: shortestMs !== undefined });
  }

  /** Viewers and relays, those included that wait for the stream to begin. */
  get viewerCount(): number {
    let count = this.#waiting.size + this.#catchUp.count;
    for (const lane of this.#lanes.values()) count += lane.count;
    return count;
  }

  /** Viewers without the relays. */
  get audienceCount(): number {
    let count = this.#catchUp.count + this.#taps.audience.viewers;
    for (const [name, lane] of this.#lanes) if (name !== 'relay') count += lane.count;
    for (const viewer of this.#waiting) if (viewer.transport.encoding !== 'relay') count += 1;
    return count;
  }

  /** Viewers' timestamp of the newest message, ms modulo 2^32; -1 before the first. */
  get newestTimestampMs(): number {
    return this.#last?.viewerTimestamp ?? -1;
  }

  /** Media bytes handed to sockets, total. */
  get bytesOut(): number {
    let bytes = this.#taps.audience.bytesOut;
    for (const lane of this.#lanes.values()) bytes += lane.bytesOut;
    return bytes;
  }

  /** Messages not sent to slow viewers, total. */
  get framesDropped(): number {
    let frames = this.#taps.audience.framesDropped;
    for (const lane of this.#lanes.values()) frames += lane.framesDropped;
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

  /** The next message of a clip of ours that stands in for the source: shown, and not counted as received. */
  pushOwn(media: MediaMessage): void {
    this.#append(media, this.nextSequence);
    this.nextSequence += 1;
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
    this.#catchUp.remove(viewer);
    if (viewer.place) {
      this.#options.clock.left(viewer.place.group);
      this.#lane(viewer.transport.encoding).remove(viewer);
    }
    if (before > 0 && this.viewerCount === 0) this.#options.clock.delete(this);
  }

  /** Number of taps: they keep a stream alive as viewers do. */
  get tapCount(): number {
    return this.#taps.count;
  }

  /** Gives `tap` headers and newest GOP at once, then every message as it comes. */
  tap(tap: HubTap): void {
    this.#taps.add(tap);
    for (const message of [...this.#gop.headers(), ...this.#gop.gop]) tap.onMessage(message);
  }

  untap(tap: HubTap): void {
    this.#taps.remove(tap);
  }

  /** True while the viewer waits for the stream to begin. */
  isWaiting(viewer: Viewer): boolean {
    return this.#waiting.has(viewer);
  }

  /** Tells every viewer that it is over and lets them go. */
  end(reason: CloseReason): void {
    for (let group = 0; group < GROUPS; group += 1) this.flush(group);
    this.#catchUp.finish();
    for (const viewer of this.viewers()) {
      this.detach(viewer);
      viewer.transport.end(reason);
    }
    this.#taps.end();
    this.state = 'empty';
  }

  /** All viewers and relays, those that wait included; a copy. */
  viewers(): Viewer[] {
    return [...this.#waiting, ...this.#served()];
  }

  #served(): Viewer[] {
    return [...this.#catchUp.viewers(), ...[...this.#lanes.values()].flatMap((lane) => lane.viewers())];
  }

  flush(group: number): void {
    for (const lane of this.#lanes.values()) lane.flush(group);
    if (this.log.end - this.log.start > TRIM_ABOVE) this.#trim();
  }

  /** Puts out viewers that take nothing; called about once a second. */
  sweep(nowMs: number): void {
    const { viewerQueueMs } = this.#options;
    for (const viewer of this.#served()) {
      viewer.look(nowMs);
      if (viewer.isOlderThan(this.skipAfterMs)) {
        viewer.lags = true;
        viewer.awaitsKey = true;
      }
      if (viewer.stuckMs < viewerQueueMs && !viewer.isOlderThan(2 * viewerQueueMs)) continue;
      this.detach(viewer);
      viewer.transport.end('slow-viewer');
    }
  }

  /**
   * Shows relays a sign of life when nothing came since the last call, or `now`: called well within what counts as a stall,
   * and when the source is lost, so that nobody takes the stream for flowing.
   */
  showLife(now = false): void {
    const isQuiet = this.messageCount === this.#shownMessages;
    this.#shownMessages = this.messageCount;
    if (!isQuiet && !now) return;
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
    this.#taps.push(message);
    if (!isHeader) {
      this.state = 'live';
      this.#epochStart ??= media.timestamp;
      if (this.#waiting.size > 0 && this.#canBegin()) for (const viewer of [...this.#waiting]) this.#start(viewer);
    }
    this.#catchUp.bound();
    if (this.log.end - this.log.start > TRIM_ABOVE || this.log.sizeBytes > URGENT_BYTES) this.#trim();
    if (this.#lanes.size > 0) {
      const waits = this.log.sizeBytes > URGENT_BYTES ? this.log.bytesFrom(this.#flushedUpTo()) : 0;
      this.#options.clock.changed(this, waits > URGENT_BYTES);
    }
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
    const { catchUpSpeed, chunkSizeBytes, shortestMs } = this.#options;
    const { epoch, hops, nextSequence } = this;
    const source = { gop: this.#gop, last: this.#last, epoch, hops, nextSequence, chunkSizeBytes, shortestMs };
    const { prefix, messages, still } = openingFor(lane.encoding, source);
    viewer.next = this.log.end;
    viewer.awaitsKey = hasVideo && (messages.length === 0 || still);
    viewer.seesStill = still;
    viewer.socket.cork();
    viewer.transport.begin({ hasAudio, hasVideo });
    if (catchUpSpeed > 0 && messages.length > 0 && !still && viewer.transport.encoding !== 'relay') {
      this.#catchUp.begin(viewer, lane, prefix, messages);
    } else {
      lane.send(viewer, messages, prefix);
      this.caughtUp(viewer, lane);
    }
    viewer.socket.uncork();
  }

  caughtUp(viewer: Viewer, lane: Lane): void {
    const { clock } = this.#options;
    clock.joined(lane.add(viewer, clock.leastLoaded()).group);
  }

  #lane(name: EncodingName): Lane {
    const known = this.#lanes.get(name);
    if (known) return known;
    const lane = new Lane(this, this.#options.encodings[name]);
    this.#lanes.set(name, lane);
    return lane;
  }

  /** Log number up to which every lane has been served. */
  #flushedUpTo(): number {
    let least = this.log.end;
    for (const lane of this.#lanes.values()) least = Math.min(least, lane.servedUpTo());
    return least;
  }

  #trim(): void {
    this.log.trim(Math.min(this.#flushedUpTo(), this.#catchUp.servedUpTo()));
  }
}

function follows(before: number, sequence: number): boolean {
  return sequence === UNNUMBERED ? before === UNNUMBERED : sequence === before + 1 && before !== UNNUMBERED;
}
