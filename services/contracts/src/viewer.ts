/**
 * What the browser player, the edge and ingest agree on: how a viewer's session travels to the edge, what the edge says
 * about itself at the start of an FLV stream, and what the player measures. No Node code: the player bundles this file.
 */

/** Query parameters of a stream's URL that the player sets. */
export const VIEWER_QUERY = {
  /** The viewer's session id: stored as `connections.session_id`, the same as in all its measurements. */
  session: 'session',
  /** `1` asks the edge to begin an FLV stream with {@link VIEWER_INFO_TAG}. */
  info: 'info',
} as const;

/**
 * Response headers of an edge's HLS playlists: which edge it is and which connection, as in {@link ViewerInfo}; FLV viewers
 * are told by {@link VIEWER_INFO_TAG}.
 */
export const VIEWER_HEADER = { node: 'X-Weir-Node', connection: 'X-Weir-Connection' } as const;

/**
 * Name of the FLV script tag an edge sends first to an HTTP-FLV or WebSocket-FLV viewer that asked for it: `onWeir` with
 * one AMF0 object, {@link ViewerInfo}.
 */
export const VIEWER_INFO_TAG = 'onWeir';

/** Which edge serves the viewer, and what its clock says about the stream. */
export interface ViewerInfo {
  /** Name of the edge. */
  node: string;
  /** The connection's id, as in `connections.connection_id`. */
  connection: string;
  /** The edge's clock when the tag was written: Unix time, ms. */
  serverTimeMs: number;
  /** Viewers' timestamp of the stream's newest message at that moment, ms modulo 2^32; -1 when there was none. */
  timestampMs: number;
}

/** Measurement types (`viewer_measurements.type`). Values carry their unit at the end of their name. */
export const VIEWER_MEASUREMENT = {
  /** Page to first frame, once per attached player: `total_ms` and its parts. */
  start: 'player.start',
  /** Time in which no new frame came although the viewer watched; its time is the moment it began. */
  stall: 'player.stall',
  /** What happened since the last one, every 10 s and when the page goes. */
  heartbeat: 'player.heartbeat',
  /** The connection was lost and made again. */
  reconnect: 'player.reconnect',
  /** Playback rate changed to catch up or to fall back. */
  rate: 'player.rate',
} as const;

/** Event names (`viewer_events.name`). */
export const VIEWER_EVENT = {
  /** Attributes: `code`, `message`, `status`. */
  error: 'player.error',
} as const;

/** Keys of a measurement's context and an event's attributes that ingest turns into columns or joins use. */
export const VIEWER_CONTEXT = {
  app: 'app',
  stream: 'stream',
  node: 'node',
  connection: 'connection',
  /** Session id the edge was told; Faro's own may change while a connection lasts. */
  session: 'session',
  /** `ws-flv`, `http-flv` or `hls`. */
  transport: 'transport',
  /** Set by the receiver: the sender's /24 or /48. */
  subnet: 'client.subnet',
} as const;
