/** What this browser can do, asked without loading any playback engine. */

const PROBE = 'video/mp4; codecs="avc1.42E01E,mp4a.40.2"';

/** Media Source Extensions (on iPhones the managed ones) with H.264 and AAC: FLV can be played by remuxing. */
export function canPlayFlv(): boolean {
  const managed = 'ManagedMediaSource' in window ? (window.ManagedMediaSource as typeof MediaSource) : undefined;
  const source = typeof MediaSource === 'undefined' ? managed : MediaSource;
  return source?.isTypeSupported(PROBE) ?? false;
}
