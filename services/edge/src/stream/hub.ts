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
import { relaySign } from '../relay/mark.ts';
import { FanOut, type FanOutOptions, type FanOutSource } from './fan-out.ts';
import { GopCache, type GopLimits } from './gop-cache.ts';
import { type HubLog, type HubMessage, UNNUMBERED } from './hub-log.ts';
import { AUDIO, type MediaMessage, VIDEO } from './media.ts';
import { type HubTap, Taps } from './taps.ts';
import { Timeline, timestampDelta } from './timeline.ts';
import type { Viewer } from './viewer.ts';

/** Options of {@link Hub}. */
export interface HubOptions extends FanOutOptions {
  app: string;
  name: string;
  gop: GopLimits;
}

/** Without video, or while its key frame does not come, a stream begins for its viewers after so much sound. */
const AUDIO_ONLY_AFTER_MS = 500;

/** See the head of the file. */
export class Hub implements FanOutSource {
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
  readonly gop: GopCache;
  /** Number of the newest key frame's message in the log, -1 before the first. */
  keyIndex = -1;
  readonly #fanOut: FanOut;
  readonly #chunkSizeBytes: number;
  readonly #timeline = new Timeline();
  readonly #taps = new Taps();
  #sawKey = false;
  #awaitsKey = false;
  /** While a key frame is awaited: timestamp of the first sound since then. */
  #soundSince: number | undefined;
  /** The key frame is long in coming, so the sound goes on alone. */
  #soundGoesOn = false;
  #epochStart: number | undefined;
  #last: HubMessage | undefined;
  #shownMessages = 0;

  constructor(options: HubOptions) {
    this.app = options.app;
    this.name = options.name;
    this.#chunkSizeBytes = options.chunkSizeBytes;
    this.gop = new GopCache(options.gop);
    this.#fanOut = new FanOut(this, options);
  }

  /** The newest messages, as far as somebody needs them. */
  get log(): HubLog {
    return this.#fanOut.log;
  }

  /** The newest message. */
  get last(): HubMessage | undefined {
    return this.#last;
  }

  /** Viewers and relays, those included that wait for the stream to begin. */
  get viewerCount(): number {
    return this.#fanOut.viewerCount;
  }

  /** Viewers without the relays. */
  get audienceCount(): number {
    return this.#fanOut.audienceCount + this.#taps.audience.viewers;
  }

  /** Viewers' timestamp of the newest message, ms modulo 2^32; -1 before the first. */
  get newestTimestampMs(): number {
    return this.#last?.viewerTimestamp ?? -1;
  }

  /** Media bytes handed to sockets, total. */
  get bytesOut(): number {
    return this.#fanOut.bytesOut + this.#taps.audience.bytesOut;
  }

  /** Messages not sent to slow viewers, total. */
  get framesDropped(): number {
    return this.#fanOut.framesDropped + this.#taps.audience.framesDropped;
  }

  /** A publisher took over; its messages are numbered from 0. Viewers go on at its first key frame. */
  beginEpoch(epoch: number): void {
    this.epoch = epoch;
    this.nextSequence = 0;
    this.gop.clear();
    this.#epochStart = undefined;
    this.keyIndex = -1;
    this.#sawKey = false;
    this.#awaitKey();
    this.#timeline.beginEpoch();
  }

  /** A message with its number. One that was had before is ignored; one after a hole waits for a key frame. */
  push(media: MediaMessage, sequence: number): void {
    if (sequence < this.nextSequence) return;
    if (sequence > this.nextSequence) this.#awaitKey();
    this.nextSequence = sequence + 1;
    this.bytesIn += media.payload.length;
    this.messageCount += 1;
    if (media.type === VIDEO) this.videoFrames += 1;
    else if (media.type === AUDIO) this.audioFrames += 1;
    this.#append(media, sequence);
  }

  /** The next message of a clip of ours that stands in for the source: shown, and not counted as received. */
  pushOwn(media: MediaMessage): void {
    this.#append(media, this.nextSequence);
    this.nextSequence += 1;
  }

  /** A header an upstream sent ahead of its media; passed on only when it is not what is known already. */
  pushHeader(media: MediaMessage): void {
    const known = this.gop.headers().some((one) => one.slot === media.slot && one.payload.equals(media.payload));
    if (!known) this.#append(media, UNNUMBERED);
  }

  /** The source is gone; viewers stay, newcomers wait until media comes again. */
  interrupt(): void {
    if (this.state === 'live') this.state = 'interrupted';
  }

  /** Takes a viewer: it is sent headers and GOP at once, or when the stream begins. */
  attach(viewer: Viewer): void {
    this.#fanOut.attach(viewer, this.state === 'live');
  }

  /** Lets a viewer go; harmless when it is not here. */
  detach(viewer: Viewer): void {
    this.#fanOut.detach(viewer);
  }

  /** Number of taps: they keep a stream alive as viewers do. */
  get tapCount(): number {
    return this.#taps.count;
  }

  /** Gives `tap` headers and newest GOP at once, then every message as it comes. */
  tap(tap: HubTap): void {
    this.#taps.add(tap);
    for (const message of [...this.gop.headers(), ...this.gop.gop]) tap.onMessage(message);
  }

  untap(tap: HubTap): void {
    this.#taps.remove(tap);
  }

  /** True while the viewer waits for the stream to begin. */
  isWaiting(viewer: Viewer): boolean {
    return this.#fanOut.isWaiting(viewer);
  }

  /** Tells every viewer that it is over and lets them go. */
  end(reason: CloseReason): void {
    this.#fanOut.end(reason);
    this.#taps.end();
    this.state = 'empty';
  }

  /** All viewers and relays, those that wait included; a copy. */
  viewers(): Viewer[] {
    return this.#fanOut.viewers();
  }

  /** Puts out viewers that take nothing; called about once a second. */
  sweep(nowMs: number): void {
    this.#fanOut.sweep(nowMs);
  }

  /**
   * Shows relays a sign of life when nothing came since the last call, or `now`: called well within what counts as a stall,
   * and when the source is lost, so that nobody takes the stream for flowing.
   */
  showLife(now = false): void {
    const isQuiet = this.messageCount === this.#shownMessages;
    this.#shownMessages = this.messageCount;
    if (!isQuiet && !now) return;
    const sign = relaySign(this.state === 'live' ? 'quiet' : 'waiting', this.#chunkSizeBytes);
    for (const viewer of this.viewers()) if (viewer.transport.encoding === 'relay') viewer.socket.write(sign);
  }

  #append(media: MediaMessage, sequence: number): void {
    const isHeader = media.kind === 'header' || media.kind === 'metadata';
    if (this.#awaitsKey && !isHeader && !this.#endsWait(media) && !this.#isSoundAlone(media)) return;
    const last = this.#last;
    const message: HubMessage = {
      ...media,
      // Headers say nothing about time (many publishers send them with 0): they go with what was sent last.
      viewerTimestamp: isHeader ? this.#headerTimestamp(media) : this.#timeline.map(media.timestamp, media.type),
      epoch: this.epoch,
      sequence,
      hops: this.hops + 1,
      breaks: !last || last.epoch !== this.epoch || !follows(last.sequence, sequence),
    };
    this.#last = message;
    const index = this.log.push(message);
    if (message.kind === 'key') {
      this.keyIndex = index;
      this.#sawKey = true;
    }
    this.gop.push(message);
    this.#taps.push(message);
    if (!isHeader) {
      this.state = 'live';
      this.#epochStart ??= media.timestamp;
    }
    this.#fanOut.appended(!isHeader);
  }

  #headerTimestamp(media: MediaMessage): number {
    return this.#last && this.#last.epoch !== 0 ? this.#last.viewerTimestamp : media.timestamp;
  }

  /** After a hole or a new publisher: at a key frame, or at once without video. Data says nothing about either. */
  #endsWait(media: MediaMessage): boolean {
    if (media.kind === 'data') return false;
    if (media.kind !== 'key' && (this.gop.hasVideo || media.type === VIDEO)) return false;
    this.#awaitsKey = false;
    return true;
  }

  #awaitKey(): void {
    this.#awaitsKey = true;
    this.#soundSince = undefined;
    this.#soundGoesOn = false;
  }

  /**
   * Nobody is kept in silence by a publisher whose picture is off (a telephone that shows another app), or whose key frames
   * are far apart.
   */
  #isSoundAlone(media: MediaMessage): boolean {
    if (media.type !== AUDIO) return false;
    this.#soundSince ??= media.timestamp;
    this.#soundGoesOn ||= timestampDelta(media.timestamp, this.#soundSince) >= AUDIO_ONLY_AFTER_MS;
    return this.#soundGoesOn;
  }

  /** True when a newcomer can be sent something to start from, or when waiting longer would not help. */
  canBegin(): boolean {
    if (this.gop.gop.length > 0) return true;
    if (this.gop.hasVideo) return this.#sawKey || this.#soundGoesOn;
    const last = this.#last;
    return (
      last !== undefined && timestampDelta(last.timestamp, this.#epochStart ?? last.timestamp) >= AUDIO_ONLY_AFTER_MS
    );
  }
}

function follows(before: number, sequence: number): boolean {
  return sequence === UNNUMBERED ? before === UNNUMBERED : sequence === before + 1 && before !== UNNUMBERED;
}
