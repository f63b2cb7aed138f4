/**
 * Whether what a request asks for is there, and the waiting where it is about to come: a newcomer for the first part, a
 * blocking reload for the part it names, a hinted part for itself. Before it: hls-route.ts; after it: the stream's waiters.
 */
import type { HlsPath, HlsRequest } from './hls-request.ts';
import type { HlsStream } from './hls-stream.ts';

/** What came of it. */
export type Presence = 'there' | 'missing' | 'too-early';

/** How long is waited. */
export interface WaitLimits {
  segmentMs: number;
  /** For a stream nobody has seen yet, beyond what its first segment takes. */
  notFoundWaitMs: number;
}

/** A part that does not come is given up after so many segments. */
const BLOCK_SEGMENTS = 3;
/** A request for what is that far ahead is a mistake (RFC 8216bis §6.2.5.2). */
const MAX_AHEAD = 2;

/** Said at once where nothing has to be waited for. */
export function whenThere(stream: HlsStream, request: HlsRequest, limits: WaitLimits): Presence | Promise<Presence> {
  return request.path.file === '' ? whenPlaylist(stream, request, limits) : whenFile(stream, request.path, limits);
}

function whenPlaylist(stream: HlsStream, request: HlsRequest, limits: WaitLimits): Presence | Promise<Presence> {
  const { segment, part } = request;
  if (!stream.hasMedia) {
    // A newcomer waits for the next segment's beginning, and for its first part.
    return stream
      .until(() => stream.hasMedia || stream.isClosed, limits.notFoundWaitMs + 2 * limits.segmentMs)
      .then(() => (stream.hasMedia ? whenPlaylist(stream, request, limits) : 'missing'));
  }
  if (segment === undefined) return 'there';
  if (!stream.has(segment - MAX_AHEAD, 0)) return 'too-early';
  if (stream.has(segment, part)) return 'there';
  return stream
    .until(() => stream.has(segment, part) || stream.isClosed, BLOCK_SEGMENTS * limits.segmentMs)
    .then(() => (stream.isClosed ? 'missing' : 'there'));
}

/** A hinted part is asked for before it is there; and another edge may have given this viewer its playlist. */
function whenFile(stream: HlsStream, path: HlsPath, limits: WaitLimits): Presence | Promise<Presence> {
  const presence = (): Presence => (stream.file(path) ? 'there' : 'missing');
  if (presence() === 'there') return 'there';
  const isNext = path.media?.part !== undefined && stream.has(path.media.segment - MAX_AHEAD, 0);
  if (!isNext && stream.hasMedia) return 'missing';
  return stream
    .until(() => stream.file(path) !== undefined || stream.isClosed, BLOCK_SEGMENTS * limits.segmentMs)
    .then(presence);
}
