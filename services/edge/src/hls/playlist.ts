/** The media playlist (RFC 8216bis, low-latency HLS): what segments and parts there are, and which comes next. */

/** A segment as the playlist tells it. */
export interface ListedSegment {
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
  /** Query that every file is asked for with (a signature), empty or beginning with `?`. */
  query: string;
}

/** Parts are listed for so many newest segments. */
const SEGMENTS_WITH_PARTS = 3;
/** A part ends at the first frame past its time: half a part more holds down to 4 frames a second. */
const PART_SLACK = 1.1;
const PARTS_HELD_BACK = 3;

/** The playlist's text. */
export function mediaPlaylist({ segments, segmentMs, partMs, folder, init, query }: PlaylistInput): string {
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
    `#EXT-X-MAP:URI="${folder}${init}${query}"`,
  ];
  const withParts = segments.length - SEGMENTS_WITH_PARTS;
  for (const [index, segment] of segments.entries()) {
    lines.push(`#EXT-X-PROGRAM-DATE-TIME:${new Date(segment.startedAtMs).toISOString()}`);
    if (index >= withParts || !segment.complete) {
      for (const [part, { durationMs, independent }] of segment.parts.entries()) {
        const flag = independent ? ',INDEPENDENT=YES' : '';
        lines.push(
          `#EXT-X-PART:DURATION=${seconds(durationMs)},URI="${folder}${partName(segment.number, part)}${query}"${flag}`,
        );
      }
    }
    if (segment.complete)
      lines.push(`#EXTINF:${seconds(segment.durationMs)},`, `${folder}${segmentName(segment.number)}${query}`);
  }
  const last = segments.at(-1);
  if (last) {
    const next = last.complete ? partName(last.number + 1, 0) : partName(last.number, last.parts.length);
    lines.push(`#EXT-X-PRELOAD-HINT:TYPE=PART,URI="${folder}${next}${query}"`);
  }
  return `${lines.join('\n')}\n`;
}

export function segmentName(segment: number): string {
  return `${segment}.m4s`;
}

export function partName(segment: number, part: number): string {
  return `${segment}.${part}.m4s`;
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(3);
}
