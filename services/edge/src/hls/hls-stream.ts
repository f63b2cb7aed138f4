/**
 * One stream as HLS: one muxing whatever the viewers, the newest segments in memory, and the requests that wait for the
 * next part. Begun by the first request, ended by whoever holds it. Before it: the hub; after it: the HTTP route.
 */
import { createHash } from 'node:crypto';
import { asAmfObject, decodeAmf } from '../rtmp/amf0.ts';
import type { HubMessage } from '../stream/hub-log.ts';
import { AUDIO, VIDEO } from '../stream/media.ts';
import { codecName } from './codec-names.ts';
import { parseMedia } from './codecs.ts';
import { initSegment, type Tracks } from './init-segment.ts';
import { choicePlaylist, type FileName, mediaPlaylist, QUERY_MARK } from './playlist.ts';
import { type Part, Segmenter } from './segmenter.ts';

/** Lengths and bounds. */
export interface HlsLimits {
  segmentMs: number;
  partMs: number;
  /** Complete segments listed; as many that were listed before are still given. */
  segments: number;
  /** Bytes kept at most; older segments go. */
  maxBytes: number;
}

interface Segment {
  epoch: number;
  number: number;
  parts: Part[];
  complete: boolean;
  durationMs: number;
  sizeBytes: number;
}

interface Waiter {
  isReady(): boolean;
  resolve(): void;
  untilMs: number;
}

/** Requests that wait at once, of one stream; more are answered with what there is. */
const MAX_WAITERS = 20_000;
/** How often is looked for those whose time is up: one timer for all of them. */
const GIVE_UP_STEP_MS = 100;

/** See the head of the file. */
export class HlsStream {
  readonly #limits: HlsLimits;
  #tracks: Tracks = { video: undefined, audio: undefined, width: 0, height: 0 };
  #epoch: number | undefined;
  #segmenter: Segmenter | undefined;
  #segments: Segment[] = [];
  /** Left the playlist a while ago; whoever holds an older one may still ask for them (RFC 8216, section 6.2.2). */
  #unlisted: Segment[] = [];
  #init: { name: string; data: Buffer } | undefined;
  #sizeBytes = 0;
  /** The media playlist until the next part, cut where a viewer's query belongs. */
  #pieces: { folder: string; pieces: string[] } | undefined;
  readonly #waiters = new Set<Waiter>();
  #givingUp: NodeJS.Timeout | undefined;

  constructor(limits: HlsLimits) {
    this.#limits = limits;
  }

  /** True when nothing will follow. */
  isClosed = false;

  /** True when there is something to play. */
  get hasMedia(): boolean {
    return this.#segments.length > 0;
  }

  /** Takes the next message of the hub, headers first. */
  push(message: HubMessage): void {
    if (message.epoch !== this.#epoch && message.kind !== 'header' && message.kind !== 'metadata')
      this.#begin(message.epoch);
    if (message.kind === 'metadata') this.#metadata(message);
    const parsed = parseMedia(message);
    if (parsed && 'config' in parsed) {
      this.#configure(parsed.config, message.type);
      return;
    }
    if (!this.#segmenter && (this.#tracks.video || this.#tracks.audio)) this.#startSegmenter();
    this.#segmenter?.push(message);
  }

  /** The media playlist, empty while there is nothing. `query` follows every file's name. */
  playlist(folder: string, query: string): string {
    if (!this.#init || !this.hasMedia) return '';
    if (this.#pieces?.folder !== folder) {
      const { segmentMs, partMs } = this.#limits;
      const segments = this.#segments.map((segment) => ({
        ...segment,
        startedAtMs: segment.parts[0]?.startedAtMs ?? 0,
      }));
      const text = mediaPlaylist({ segments, segmentMs, partMs, folder, init: this.#init.name });
      this.#pieces = { folder, pieces: text.split(QUERY_MARK) };
    }
    return this.#pieces.pieces.join(query);
  }

  /** The multivariant playlist, which names the media playlist at `uri`; empty while there is nothing. */
  choice(uri: string): string {
    if (!this.hasMedia) return '';
    const { video, audio, width, height } = this.#tracks;
    const codecs = [video, audio].filter((track) => track !== undefined).map(codecName);
    const rates = this.#segments.map(({ sizeBytes, durationMs }) => (sizeBytes * 8_000) / Math.max(durationMs, 1));
    const durationMs = this.#segments.reduce((sum, segment) => sum + segment.durationMs, 0);
    const meanBitrate = (this.#sizeBytes * 8_000) / Math.max(durationMs, 1);
    const peakBitrate = Math.max(...rates);
    return choicePlaylist({ uri, codecs, peakBitrate, meanBitrate, width, height });
  }

  /** The bytes of a file, as the buffers they lie in; undefined when there is no such file (any more). */
  file({ file, media }: { file: string; media: FileName | undefined }): readonly Buffer[] | undefined {
    if (file === this.#init?.name) return [this.#init.data];
    const isMeant = ({ epoch, number }: Segment) => number === media?.segment && epoch === media.epoch;
    const segment = media && (this.#segments.findLast(isMeant) ?? this.#unlisted.find(isMeant));
    if (!segment) return undefined;
    if (media.part === undefined) return segment.complete ? segment.parts.map(({ data }) => data) : undefined;
    const part = segment.parts[media.part];
    return part && [part.data];
  }

  /** Whether segment `number` is complete, or has part `part`; one past its last part is the first of the next segment. */
  has(number: number, part: number | undefined): boolean {
    const last = this.#segments.at(-1);
    if (!last) return false;
    if (last.number > number) return true;
    if (last.number < number) return false;
    return part === undefined ? last.complete : last.parts.length > part;
  }

  /** Resolves as soon as `isReady`, or when the time is up (some 100 ms later at most). */
  until(isReady: () => boolean, timeoutMs: number): Promise<void> {
    if (isReady() || this.#waiters.size >= MAX_WAITERS) return Promise.resolve();
    this.#givingUp ??= setInterval(() => {
      const nowMs = performance.now();
      this.#release(({ untilMs }) => untilMs <= nowMs);
    }, GIVE_UP_STEP_MS).unref();
    return new Promise((resolve) => {
      this.#waiters.add({ isReady, resolve, untilMs: performance.now() + timeoutMs });
    });
  }

  /** Lets all who wait go. */
  close(): void {
    this.isClosed = true;
    this.#release(() => true);
    this.#segments = [];
    this.#unlisted = [];
  }

  /** Another publisher: its segments are numbered from its own beginning, and nothing of the old ones is listed. */
  #begin(epoch: number): void {
    this.#epoch = epoch;
    this.#segmenter = undefined;
  }

  #metadata(message: HubMessage): void {
    const object = decodeAmf(message.payload)
      .map(asAmfObject)
      .find((value) => value !== undefined);
    const { width, height } = object ?? {};
    const size = (value: unknown) => (typeof value === 'number' && value > 0 && value < 65_536 ? Math.round(value) : 0);
    this.#tracks = { ...this.#tracks, width: size(width), height: size(height) };
  }

  #configure(
    config: NonNullable<Tracks['video'] | Tracks['audio']> | { codec: string; data: Buffer },
    type: number,
  ): void {
    const known = type === VIDEO ? this.#tracks.video : type === AUDIO ? this.#tracks.audio : undefined;
    if (known?.codec === config.codec && known.data.equals(config.data)) return;
    this.#tracks =
      type === VIDEO
        ? { ...this.#tracks, video: config as Tracks['video'] }
        : { ...this.#tracks, audio: config as Tracks['audio'] };
    this.#segmenter = undefined;
  }

  #startSegmenter(): void {
    const data = initSegment(this.#tracks);
    const name = `init-${createHash('sha256').update(data).digest('hex').slice(0, 12)}.mp4`;
    this.#init = { name, data };
    this.#pieces = undefined;
    this.#forgetAll();
    const { segmentMs, partMs } = this.#limits;
    this.#segmenter = new Segmenter(this.#tracks, this.#epoch ?? 0, {
      segmentMs,
      partMs,
      onPart: (part) => this.#add(part),
    });
  }

  #add(part: Part): void {
    this.#pieces = undefined;
    let segment = this.#segments.at(-1);
    if (!segment || segment.number !== part.segment) {
      // After a hole the numbers do not follow: a playlist holds only what does.
      if (segment && part.segment !== segment.number + 1) this.#forgetAll();
      segment = {
        epoch: this.#epoch ?? 0,
        number: part.segment,
        parts: [],
        complete: false,
        durationMs: 0,
        sizeBytes: 0,
      };
      this.#segments.push(segment);
    }
    segment.parts.push(part);
    segment.complete = part.last;
    segment.durationMs += part.durationMs;
    segment.sizeBytes += part.data.length;
    this.#sizeBytes += part.data.length;
    const surplus = this.#segments.length - 1 - this.#limits.segments;
    if (surplus > 0) this.#forget(surplus);
    while (this.#sizeBytes > this.#limits.maxBytes && this.#segments.length > 1) this.#forget(1);
    this.#boundUnlisted();
    this.#release((waiter) => waiter.isReady());
  }

  /** Lets those go that need not wait any longer. */
  #release(isOver: (waiter: Waiter) => boolean): void {
    for (const waiter of this.#waiters) {
      if (!isOver(waiter)) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
    if (this.#waiters.size > 0) return;
    clearInterval(this.#givingUp);
    this.#givingUp = undefined;
  }

  #forget(count: number): void {
    const gone = this.#segments.splice(0, count);
    for (const { sizeBytes } of gone) this.#sizeBytes -= sizeBytes;
    this.#unlisted.push(...gone);
  }

  /** A publisher that counts anew may use their names for other bytes. */
  #forgetAll(): void {
    this.#segments = [];
    this.#unlisted = [];
    this.#sizeBytes = 0;
  }

  /** As many as a playlist has, as long as all together keep within the bytes. */
  #boundUnlisted(): void {
    const { segments, maxBytes } = this.#limits;
    this.#unlisted.splice(0, Math.max(0, this.#unlisted.length - segments));
    let bytes = this.#unlisted.reduce((sum, { sizeBytes }) => sum + sizeBytes, this.#sizeBytes);
    while (bytes > maxBytes && this.#unlisted.length > 0) bytes -= this.#unlisted.shift()?.sizeBytes ?? 0;
  }
}
