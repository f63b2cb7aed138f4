/**
 * Shows a clip to a stream's viewers while nobody publishes it (`stream.alwaysOn`). It stands between the source (a
 * publisher here, or a pull) and the hub: while the clip runs, what the source brings waits for its first key frame, at
 * which the clip ends. Nobody decodes anything: the clip's tags loop, as an epoch of their own.
 *
 *   off ──nobody publishes, somebody watches──▶ on ──key frame of a source, or nobody watches──▶ off
 *
 * The edge of the viewers shows it, not the edge of the publisher: so it is there when that one dies, costs nothing between
 * nodes, and claims no name. Other nodes never take it for the stream, see {@link isFillerEpoch}.
 */
import type { Hub } from '../stream/hub.ts';
import type { StandIn } from '../stream/live-stream.ts';
import { type MediaMessage, toMedia } from '../stream/media.ts';
import { type Clip, type ClipMessage, loopFrames } from './clip.ts';

/** Publishers' epochs are Unix milliseconds. */
const FILLER_EPOCH = 1;
const FEED_EVERY_MS = 20;
/** After a longer stall of the process the clip goes on from now instead of catching up. */
const MAX_LATE_MS = 1_000;
/** A source without video takes over after so much of it. */
const AUDIO_ONLY_AFTER_MS = 500;

/** True for the epoch of a filler: no source to pull from. */
export function isFillerEpoch(epoch: number): boolean {
  return epoch === FILLER_EPOCH;
}

/** One per stream; see the head of the file. */
export class Filler implements StandIn {
  readonly #hub: Hub;
  readonly #clip: Clip;
  #timer: NodeJS.Timeout | undefined;
  /** The source's, while the hub's are the clip's. */
  #source = { epoch: 0, nextSequence: 0, hops: 0 };
  /** Metadata and decoder headers of the source in force, by kind and slot. */
  readonly #headers = new Map<string, MediaMessage>();
  #firstAudioMs: number | undefined;
  #sawVideo = false;

  constructor(hub: Hub, clip: Clip) {
    this.#hub = hub;
    this.#clip = clip;
  }

  get isOn(): boolean {
    return this.#timer !== undefined;
  }

  get epoch(): number {
    return this.isOn ? this.#source.epoch : this.#hub.epoch;
  }

  get nextSequence(): number {
    return this.isOn ? this.#source.nextSequence : this.#hub.nextSequence;
  }

  get hops(): number {
    return this.isOn ? this.#source.hops : this.#hub.hops;
  }

  set hops(hops: number) {
    if (this.isOn) this.#source.hops = hops;
    else this.#hub.hops = hops;
  }

  beginEpoch(epoch: number): void {
    this.#headers.clear();
    if (!this.isOn) {
      this.#hub.beginEpoch(epoch);
      return;
    }
    this.#source = { epoch, nextSequence: 0, hops: this.#source.hops };
    this.#firstAudioMs = undefined;
    this.#sawVideo = false;
  }

  pushHeader(media: MediaMessage): void {
    this.#keepHeader(media);
    if (!this.isOn) this.#hub.pushHeader(media);
  }

  push(media: MediaMessage, sequence: number): void {
    this.#keepHeader(media);
    if (!this.isOn) {
      this.#hub.push(media, sequence);
      return;
    }
    if (sequence < this.#source.nextSequence) return;
    this.#source.nextSequence = sequence + 1;
    if (this.#canTakeOver(media)) this.#handOver(media, sequence);
  }

  start(): void {
    if (this.isOn) return;
    const { epoch, nextSequence, hops } = this.#hub;
    this.#source = { epoch, nextSequence, hops };
    this.#firstAudioMs = undefined;
    this.#sawVideo = false;
    this.#hub.beginEpoch(FILLER_EPOCH);
    const frames = loopFrames(this.#clip);
    for (const header of this.#clip.headers) this.#show(header);
    let next = frames.next().value;
    let startedMs = performance.now();
    const feed = () => {
      const nowMs = performance.now();
      if (nowMs - startedMs - next.timestampMs > MAX_LATE_MS) startedMs = nowMs - next.timestampMs;
      while (next.timestampMs <= nowMs - startedMs) {
        this.#show(next);
        next = frames.next().value;
      }
    };
    this.#timer = setInterval(feed, FEED_EVERY_MS).unref();
    feed();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #show({ type, timestampMs, payload }: ClipMessage): void {
    const media = toMedia(type, timestampMs % 2 ** 32, payload);
    if (media) this.#hub.pushOwn(media);
  }

  #keepHeader(media: MediaMessage): void {
    if (media.kind === 'header' || media.kind === 'metadata') this.#headers.set(`${media.kind} ${media.slot}`, media);
  }

  /** At a key frame; without any video after a while of sound. */
  #canTakeOver(media: MediaMessage): boolean {
    this.#sawVideo ||= media.type === 9 || this.#headers.has('header video');
    if (media.kind === 'key') return true;
    if (media.kind !== 'audio' || this.#sawVideo) return false;
    this.#firstAudioMs ??= media.timestamp;
    return media.timestamp - this.#firstAudioMs >= AUDIO_ONLY_AFTER_MS;
  }

  #handOver(media: MediaMessage, sequence: number): void {
    this.stop();
    this.#hub.beginEpoch(this.#source.epoch);
    this.#hub.hops = this.#source.hops;
    for (const header of this.#headers.values()) this.#hub.pushHeader(header);
    this.#hub.push(media, sequence);
  }
}
