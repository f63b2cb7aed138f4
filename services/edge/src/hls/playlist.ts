/**
 * Playlists (RFC 8216bis, low-latency HLS): the media playlist says what segments and parts there are and which comes next,
 * the multivariant one what a player must be able to decode. After them: the route, which fills in each viewer's query.
 */

/** A segment as the playlist tells it. */
export interface ListedSegment {
  /** Of its publisher: two publishers' segments of one number are not the same. */
  epoch: number;
  number: number;
  durationMs: number;
  startedAtMs: number;
  /** False while it grows: only its parts are listed. */
  complete: boolean;
  parts: readonly { durationMs: number; independent: boolean }[];
}

/** What a playlist is made of. */
export interface PlaylistInput {
  segments: readonly ListedSegment[];
  segmentMs: number;
  partMs: number;
  /** Folder of the segments, relative to the playlist. */
  folder: string;
  /** File name of the initialization segment. */
  init: string;
}

/** Stands where each viewer's query belongs: after every file's address. No address has it. */
export const QUERY_MARK = '\0';

/** Parts are listed for so many newest segments. */
const SEGMENTS_WITH_PARTS = 3;
/** A part ends at the first frame past its time: half a part more holds down to 4 frames a second. */
const PART_SLACK = 1.1;
const PARTS_HELD_BACK = 3;

/** The playlist's text, with {@link QUERY_MARK} after every address. */
export function mediaPlaylist({ segments, segmentMs, partMs, folder, init }: PlaylistInput): string {
  const longestPartMs = Math.max(
    partMs * PART_SLACK,
    ...segments.flatMap(({ parts }) => parts.map((part) => part.durationMs)),
  );
  const longestMs = Math.max(
    segmentMs,
    ...segments.filter(({ complete }) => complete).map(({ durationMs }) => durationMs),
  );
  const lines = [
    '#EXTM3U',
    '#EXT-X-VERSION:9',
    `#EXT-X-TARGETDURATION:${Math.ceil(longestMs / 1_000)}`,
    `#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=${seconds(longestPartMs * PARTS_HELD_BACK)}`,
    `#EXT-X-PART-INF:PART-TARGET=${seconds(longestPartMs)}`,
    `#EXT-X-MEDIA-SEQUENCE:${segments[0]?.number ?? 0}`,
    `#EXT-X-MAP:URI="${folder}${init}${QUERY_MARK}"`,
  ];
  const withParts = segments.length - SEGMENTS_WITH_PARTS;
  for (const [index, segment] of segments.entries()) {
    lines.push(`#EXT-X-PROGRAM-DATE-TIME:${new Date(segment.startedAtMs).toISOString()}`);
    if (index >= withParts || !segment.complete) {
      for (const [part, { durationMs, independent }] of segment.parts.entries()) {
        const flag = independent ? ',INDEPENDENT=YES' : '';
        lines.push(
          `#EXT-X-PART:DURATION=${seconds(durationMs)},URI="${folder}${partName(segment, part)}${QUERY_MARK}"${flag}`,
        );
      }
    }
    if (segment.complete)
      lines.push(`#EXTINF:${seconds(segment.durationMs)},`, `${folder}${segmentName(segment)}${QUERY_MARK}`);
  }
  const last = segments.at(-1);
  if (last) {
    const next = last.complete ? partName({ ...last, number: last.number + 1 }, 0) : partName(last, last.parts.length);
    lines.push(`#EXT-X-PRELOAD-HINT:TYPE=PART,URI="${folder}${next}${QUERY_MARK}"`);
  }
  return `${lines.join('\n')}\n`;
}

/** What the multivariant playlist is made of. */
export interface ChoiceInput {
  /** Address of the media playlist, relative. */
  uri: string;
  /** RFC 6381 names, one per track. */
  codecs: readonly string[];
  /** Bits per second: of the heaviest segment, and of all there are. */
  peakBitrate: number;
  meanBitrate: number;
  /** 0 = not known. */
  width: number;
  height: number;
}

/** The multivariant playlist: one variant, as it was published. */
export function choicePlaylist({ uri, codecs, peakBitrate, meanBitrate, width, height }: ChoiceInput): string {
  const attributes = [
    `BANDWIDTH=${Math.ceil(peakBitrate)}`,
    `AVERAGE-BANDWIDTH=${Math.ceil(meanBitrate)}`,
    `CODECS="${codecs.join(',')}"`,
    ...(width > 0 && height > 0 ? [`RESOLUTION=${width}x${height}`] : []),
  ];
  return `#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-STREAM-INF:${attributes.join(',')}\n${uri}\n`;
}

/** `<publisher>-<segment>.m4s`; the publisher by its epoch, base 36. */
export function segmentName({ epoch, number }: Pick<ListedSegment, 'epoch' | 'number'>): string {
  return `${epoch.toString(36)}-${number}.m4s`;
}

/** `<publisher>-<segment>.<part>.m4s`. */
export function partName({ epoch, number }: Pick<ListedSegment, 'epoch' | 'number'>, part: number): string {
  return `${epoch.toString(36)}-${number}.${part}.m4s`;
}

/** What the name of a segment or part says; `part` is undefined of a segment. */
export interface FileName {
  epoch: number;
  segment: number;
  part: number | undefined;
}

/** Undefined when it is the name of no segment or part. */
export function parseFileName(name: string): FileName | undefined {
  const match = /^([0-9a-z]{1,10})-(\d{1,15})(?:\.(\d{1,6}))?\.m4s$/.exec(name);
  if (!match) return undefined;
  const [, epoch = '', segment, part] = match;
  return {
    epoch: Number.parseInt(epoch, 36),
    segment: Number(segment),
    part: part === undefined ? undefined : Number(part),
  };
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(3);
}
