/**
 * The viewers of one hub: how they begin, get their windows out of the log, and are put out when they take too little.
 * Before it: the hub, which appends to the log; after it: lanes, by the encoding of each viewer, and the kernel.
 *
 *   attached ──waits──▶ first bytes ──▶ catching up ──▶ lane
 */
import type { CloseReason } from '@weir/contracts/events';
import { relayMark } from '../relay/mark.ts';
import { CatchUp, type CatchUpHub } from './catch-up.ts';
import type { Encoding, EncodingName, Encodings } from './encoding.ts';
import { GROUPS } from './flush-run.ts';
import { HubLog } from './hub-log.ts';
import { Lane, type LaneHub } from './lane.ts';
import type { Flushable, MergeClock } from './merge-clock.ts';
import { type OpeningSource, openingFor } from './opening.ts';
import type { Viewer } from './viewer.ts';

/** Settings of {@link FanOut}. */
export interface FanOutOptions {
  clock: MergeClock;
  encodings: Encodings;
  chunkSizeBytes: number;
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

/** What the viewers are of: a hub. */
export interface FanOutSource extends Pick<OpeningSource, 'gop' | 'last' | 'epoch' | 'hops' | 'nextSequence'> {
  readonly messageCount: number;
  /** Number of the newest key frame's message in the log, -1 before the first. */
  readonly keyIndex: number;
  /** True when a newcomer can be sent something to start from, or when waiting longer would not help. */
  canBegin(): boolean;
}

/** A window is cut short when this much waits in it. */
const URGENT_BYTES = 1_048_576;
/** The log is trimmed when it is longer. */
const TRIM_ABOVE = 64;

/** See the head of the file. */
export class FanOut implements Flushable, LaneHub, CatchUpHub {
  readonly log = new HubLog();
  readonly viewerQueueBytes: number;
  readonly skipAfterMs: number;
  readonly #source: FanOutSource;
  readonly #options: FanOutOptions;
  readonly #lanes = new Map<EncodingName, Lane>();
  readonly #waiting = new Set<Viewer>();
  readonly #catchUp: CatchUp;

  constructor(source: FanOutSource, options: FanOutOptions) {
    this.#source = source;
    this.#options = options;
    this.viewerQueueBytes = options.viewerQueueBytes;
    this.skipAfterMs = Math.min(options.shortestMs ?? Number.POSITIVE_INFINITY, options.viewerQueueMs);
    const { catchUpSpeed: speed, shortestMs } = options;
    this.#catchUp = new CatchUp({ hub: this, speed, skipsAhead: shortestMs !== undefined });
  }

  get messageCount(): number {
    return this.#source.messageCount;
  }

  /** Viewers and relays, those included that wait for the stream to begin. */
  get viewerCount(): number {
    let count = this.#waiting.size + this.#catchUp.count;
    for (const lane of this.#lanes.values()) count += lane.count;
    return count;
  }

  /** Viewers without the relays. */
  get audienceCount(): number {
    let count = this.#catchUp.count;
    for (const [name, lane] of this.#lanes) if (name !== 'relay') count += lane.count;
    for (const viewer of this.#waiting) if (viewer.transport.encoding !== 'relay') count += 1;
    return count;
  }

  /** Media bytes handed to sockets, total. */
  get bytesOut(): number {
    let bytes = 0;
    for (const lane of this.#lanes.values()) bytes += lane.bytesOut;
    return bytes;
  }

  /** Messages not sent to slow viewers, total. */
  get framesDropped(): number {
    let frames = 0;
    for (const lane of this.#lanes.values()) frames += lane.framesDropped;
    return frames;
  }

  /** Takes a viewer: it is sent its first bytes now if it `mayBegin`, else when the stream begins. */
  attach(viewer: Viewer, mayBegin: boolean): void {
    if (this.viewerCount === 0) this.#options.clock.add(this);
    if (mayBegin && this.#source.canBegin()) this.#start(viewer);
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

  /** True while the viewer waits for the stream to begin. */
  isWaiting(viewer: Viewer): boolean {
    return this.#waiting.has(viewer);
  }

  /** All viewers and relays, those that wait included; a copy. */
  viewers(): Viewer[] {
    return [...this.#waiting, ...this.#served()];
  }

  /** The log has a new message; `isMedia` when it is no header, at which those who wait may begin. */
  appended(isMedia: boolean): void {
    if (isMedia && this.#waiting.size > 0 && this.#source.canBegin()) {
      for (const viewer of [...this.#waiting]) this.#start(viewer);
    }
    this.#catchUp.bound();
    const { log } = this;
    if (log.end - log.start > TRIM_ABOVE || log.sizeBytes > URGENT_BYTES) this.#trim();
    if (this.#lanes.size === 0) return;
    const waitingBytes = log.sizeBytes > URGENT_BYTES ? log.bytesFrom(this.#flushedUpTo()) : 0;
    this.#options.clock.changed(this, waitingBytes > URGENT_BYTES);
  }

  flush(group: number): number {
    let written = 0;
    for (const lane of this.#lanes.values()) written += lane.flush(group);
    if (this.log.end - this.log.start > TRIM_ABOVE) this.#trim();
    return written;
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

  /** Sends every viewer what there is, tells it that it is over, and lets it go. */
  end(reason: CloseReason): void {
    for (let group = 0; group < GROUPS; group += 1) this.flush(group);
    this.#catchUp.finish();
    for (const viewer of this.viewers()) {
      this.detach(viewer);
      viewer.transport.end(reason);
    }
  }

  get hasVideo(): boolean {
    return this.#source.gop.hasVideo;
  }

  resumeIndex(): number {
    const index = this.hasVideo ? this.#source.keyIndex : this.log.end - 1;
    return index < this.log.start ? -1 : index;
  }

  resumePrefix(encoding: Encoding, index: number): Buffer | undefined {
    if (encoding.name !== 'relay') return undefined;
    return relayMark(this.log.at(index), this.#options.chunkSizeBytes);
  }

  caughtUp(viewer: Viewer, lane: Lane): void {
    const { clock } = this.#options;
    clock.joined(lane.add(viewer, clock.leastLoaded()).group);
  }

  #served(): Viewer[] {
    return [...this.#catchUp.viewers(), ...[...this.#lanes.values()].flatMap((lane) => lane.viewers())];
  }

  #start(viewer: Viewer): void {
    this.#waiting.delete(viewer);
    const lane = this.#lane(viewer.transport.encoding);
    const { gop, last, epoch, hops, nextSequence } = this.#source;
    const { hasAudio, hasVideo } = gop;
    const { catchUpSpeed, chunkSizeBytes, shortestMs } = this.#options;
    const source = { gop, last, epoch, hops, nextSequence, chunkSizeBytes, shortestMs };
    const { prefix, messages, still } = openingFor(lane.encoding, source);
    viewer.next = this.log.end;
    // Without a key frame to begin with: sound until there is one. A relay takes all, whoever pulls it waits by itself.
    viewer.seesStill = still || (hasVideo && messages.length === 0 && viewer.transport.encoding !== 'relay');
    viewer.awaitsKey = viewer.seesStill;
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
