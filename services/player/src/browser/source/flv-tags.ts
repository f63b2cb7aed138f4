/**
 * Reads along the FLV bytes on their way to mpegts.js: the timestamp of the newest media tag, and the edge's own script
 * tag. Only tag headers are looked at, whatever the splitting of the bytes (Adobe FLV 10.1, annex E.4.1).
 */
import { VIEWER_INFO_TAG, type ViewerInfo } from '@weir/contracts/viewer';
import { decodeScriptTag } from './script-tag.ts';

const FILE_HEADER_BYTES = 9 + 4;
const TAG_HEADER_BYTES = 11;
const PREVIOUS_SIZE_BYTES = 4;
const SCRIPT = 18;
const AUDIO = 8;
const VIDEO = 9;
/** The edge's tag is some 150 bytes; a longer script tag is not it. */
const MAX_INFO_BYTES = 4_096;

/** One FLV stream, from its first byte on. */
export class FlvTagReader {
  /** Timestamp of the newest audio or video tag, ms modulo 2^32. */
  newestTimestampMs: number | undefined;
  /** What the edge said at the start. */
  info: ViewerInfo | undefined;
  readonly #header = new Uint8Array(TAG_HEADER_BYTES);
  #headerBytes = 0;
  #skipBytes = FILE_HEADER_BYTES;
  #script: Uint8Array | undefined;
  #scriptBytes = 0;

  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#script) at = this.#readScript(this.#script, bytes, at);
      else if (this.#skipBytes > 0) {
        const step = Math.min(this.#skipBytes, bytes.length - at);
        this.#skipBytes -= step;
        at += step;
      } else {
        this.#header[this.#headerBytes] = bytes[at] as number;
        this.#headerBytes += 1;
        at += 1;
        if (this.#headerBytes === TAG_HEADER_BYTES) this.#endHeader();
      }
    }
  }

  #endHeader(): void {
    const h = this.#header;
    this.#headerBytes = 0;
    const type = (h[0] as number) & 0x1f;
    const size = ((h[1] as number) << 16) | ((h[2] as number) << 8) | (h[3] as number);
    const low = ((h[4] as number) << 16) | ((h[5] as number) << 8) | (h[6] as number);
    if (type === AUDIO || type === VIDEO) this.newestTimestampMs = (((h[7] as number) << 24) | low) >>> 0;
    if (type === SCRIPT && size <= MAX_INFO_BYTES && this.info === undefined) {
      this.#script = new Uint8Array(size);
      this.#scriptBytes = 0;
    } else this.#skipBytes = size + PREVIOUS_SIZE_BYTES;
  }

  #readScript(script: Uint8Array, bytes: Uint8Array, at: number): number {
    const part = bytes.subarray(at, at + script.length - this.#scriptBytes);
    script.set(part, this.#scriptBytes);
    this.#scriptBytes += part.length;
    if (this.#scriptBytes === script.length) {
      this.#script = undefined;
      this.#skipBytes = PREVIOUS_SIZE_BYTES;
      this.info = viewerInfo(script);
    }
    return at + part.length;
  }
}

function viewerInfo(script: Uint8Array): ViewerInfo | undefined {
  const tag = decodeScriptTag(script);
  if (tag?.name !== VIEWER_INFO_TAG) return undefined;
  const { node, connection, serverTimeMs, timestampMs } = tag.fields;
  if (typeof node !== 'string' || typeof connection !== 'string') return undefined;
  if (typeof serverTimeMs !== 'number' || typeof timestampMs !== 'number') return undefined;
  return { node, connection, serverTimeMs, timestampMs };
}
