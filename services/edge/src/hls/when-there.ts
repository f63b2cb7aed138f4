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

/** Calls `then`, which must not throw, with what came of it: at once where nothing has to be waited for. */
export function whenThere(
  stream: HlsStream,
  request: HlsRequest,
  limits: WaitLimits,
  then: (presence: Presence) => void,
): void {
  if (request.path.file === '') whenPlaylist(stream, request, limits, then);
  else whenFile(stream, request.path, limits, then);
}

function whenPlaylist(
  stream: HlsStream,
  request: HlsRequest,
  limits: WaitLimits,
  then: (presence: Presence) => void,
): void {
  const { segment, part } = request;
  if (!stream.hasMedia) {
    // A newcomer waits for the next segment's beginning, and for its first part.
    stream.until(
      () => stream.hasMedia || stream.isClosed,
      limits.notFoundWaitMs + 2 * limits.segmentMs,
      () => (stream.hasMedia ? whenPlaylist(stream, request, limits, then) : then('missing')),
    );
  } else if (segment === undefined) then('there');
  else if (!stream.has(segment - MAX_AHEAD, 0)) then('too-early');
  else {
    stream.until(
      () => stream.has(segment, part) || stream.isClosed,
      BLOCK_SEGMENTS * limits.segmentMs,
      () => then(stream.isClosed ? 'missing' : 'there'),
    );
  }
}

/** A hinted part is asked for before it is there; and another edge may have given this viewer its playlist. */
function whenFile(stream: HlsStream, path: HlsPath, limits: WaitLimits, then: (presence: Presence) => void): void {
  const isThere = () => stream.file(path) !== undefined;
  const isNext = path.media?.part !== undefined && stream.has(path.media.segment - MAX_AHEAD, 0);
  if (isThere()) then('there');
  else if (!isNext && stream.hasMedia) then('missing');
  else {
    stream.until(
      () => isThere() || stream.isClosed,
      BLOCK_SEGMENTS * limits.segmentMs,
      () => then(isThere() ? 'there' : 'missing'),
    );
  }
}
