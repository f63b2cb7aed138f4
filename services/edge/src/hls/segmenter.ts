/**
 * Cuts a stream into segments and parts, by publisher timestamps and key frames alone: every edge, worker or restarted
 * process that sees the same messages makes the same segments, with the same numbers and bytes, wherever it came in.
 *
 * Time (media-clock.ts) is a grid of segments. Segment n begins at the first key frame of cell n; in a cell without one, at
 * the first frame after the cell. A newcomer has not seen where its cell began, so it waits for the next one. Numbers
 * count cells since 1970, and media times are Unix times, so that both rise over a change of publisher.
 */
import type { HubMessage } from '../stream/hub-log.ts';
import { AUDIO, VIDEO } from '../stream/media.ts';
import { audioDuration, parseMedia, type Sample } from './codecs.ts';
import { fragment, type TimedSample } from './fragment.ts';
import type { Tracks } from './init-segment.ts';
import { MediaClock } from './media-clock.ts';

/** A finished part. */
export interface Part {
  /** Number of its segment, and its own in it, from 0. */
  segment: number;
  index: number;
  data: Buffer;
  durationMs: number;
  /** A decoder can start here. */
  independent: boolean;
  /** The segment ends with it. */
  last: boolean;
  /** Publisher's wall clock at its start, by the epoch: Unix time, ms. */
  startedAtMs: number;
}

/** Lengths aimed at. */
export interface SegmenterOptions {
  segmentMs: number;
  partMs: number;
  /** The wall clock, Unix ms; another one in tests. */
  nowMs?: () => number;
  onPart(part: Part): void;
}

interface Pending {
  sample: Sample;
  /** Unix time, ms. */
  timeMs: number;
}

/** An audio clock that is off by more than this was interrupted. */
const AUDIO_GAP_MS = 100;

/** One stream of one epoch with one set of decoder configurations. */
export class Segmenter {
  readonly #options: SegmenterOptions;
  readonly #tracks: Tracks;
  readonly #clock: MediaClock;
  #seen: number | undefined;
  #segment: number | undefined;
  #segmentAt = 0;
  #part = 0;
  #partAt = 0;
  #video: Pending[] = [];
  #audio: Pending[] = [];
  /** Where audio goes on, in its own units, since the last segment began. */
  #audioAt: number | undefined;

  constructor(tracks: Tracks, epoch: number, options: SegmenterOptions) {
    this.#tracks = tracks;
    this.#clock = new MediaClock(epoch, options.nowMs);
    this.#options = options;
  }

  /** Takes the next message of the stream; headers are not its business. */
  push(message: HubMessage): void {
    const { video, audio } = this.#tracks;
    const parsed = parseMedia(message);
    if (!parsed || !('sample' in parsed)) return;
    const { timeMs, jumped } = this.#clock.at(message.timestamp, message.type);
    if (jumped) this.#forget();
    const pending = { sample: parsed.sample, timeMs };
    const isMain = video ? message.type === VIDEO : message.type === AUDIO;
    if (isMain) this.#cut(timeMs, parsed.sample.isKey);
    if (this.#segment === undefined) return;
    if (message.type === VIDEO && video) this.#video.push(pending);
    else if (message.type === AUDIO && audio) this.#audio.push(pending);
  }

  /** The publisher counts anew: what was begun can't be ended, and the rest is as for a newcomer. */
  #forget(): void {
    this.#seen = undefined;
    this.#segment = undefined;
    this.#video = [];
    this.#audio = [];
  }

  /** Whether a segment or part begins with the frame at `timeMs`; ends those before it. */
  #cut(timeMs: number, isKey: boolean): void {
    const cell = Math.floor(timeMs / this.#options.segmentMs);
    const current = this.#segment ?? this.#seen ?? cell;
    this.#seen ??= cell;
    if (cell > current && (isKey || cell > current + 1)) {
      this.#endPart(timeMs, true);
      // Without a key frame the segment of the cell that is over begins now, at its end.
      this.#segment = isKey ? cell : cell - 1;
      this.#segmentAt = timeMs;
      this.#partAt = timeMs;
      this.#part = 0;
      this.#audioAt = undefined;
    } else if (this.#segment !== undefined) {
      const { partMs } = this.#options;
      const partOf = (time: number) => Math.floor((time - this.#segmentAt) / partMs);
      if (partOf(timeMs) === partOf(this.#partAt)) return;
      this.#endPart(timeMs, false);
      this.#part += 1;
      this.#partAt = timeMs;
    }
  }

  #endPart(timeMs: number, last: boolean): void {
    const segment = this.#segment;
    if (segment === undefined) return;
    const video = this.#video.splice(0);
    const audio = this.#audio.splice(0);
    if (video.length === 0 && audio.length === 0) return;
    const data = fragment(
      ((segment % 0x100000) << 8) | (this.#part & 0xff),
      { start: video[0]?.timeMs ?? 0, samples: timedVideo(video, timeMs) },
      this.#timedAudio(audio),
    );
    this.#options.onPart({
      segment,
      index: this.#part,
      data,
      durationMs: timeMs - this.#partAt,
      independent: video[0]?.sample.isKey ?? true,
      last,
      startedAtMs: this.#partAt,
    });
  }

  /** Audio is counted in samples from where the segment began, so that milliseconds leave no cracks. */
  #timedAudio(audio: readonly Pending[]): { start: number; samples: TimedSample[] } {
    const config = this.#tracks.audio;
    const [first] = audio;
    if (!config || !first) return { start: 0, samples: [] };
    const told = Math.round(first.timeMs * (config.sampleRate / 1_000));
    const isOff = Math.abs(told - (this.#audioAt ?? told)) > (AUDIO_GAP_MS * config.sampleRate) / 1_000;
    const start = this.#audioAt === undefined || isOff ? told : this.#audioAt;
    let at = start;
    const samples = audio.map(({ sample }) => {
      const duration = audioDuration(config.codec, sample.data);
      at += duration;
      return { data: sample.data, duration, offset: 0, isKey: true };
    });
    this.#audioAt = at;
    return { start, samples };
  }
}

/** Each frame lasts until the next one; the last until `end`, where the next part begins. */
function timedVideo(video: readonly Pending[], end: number): TimedSample[] {
  return video.map(({ sample, timeMs }, index) => ({
    data: sample.data,
    duration: Math.max(0, (video[index + 1]?.timeMs ?? end) - timeMs),
    offset: sample.offsetMs,
    isKey: sample.isKey,
  }));
}
