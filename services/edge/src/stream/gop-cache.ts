/**
 * What a new viewer needs before the live messages: metadata, decoder headers, and all messages since the last key frame.
 *
 *   empty ──key──▶ filling ──key──▶ filling (the old GOP is forgotten)
 *     ▲               │ over its bytes or milliseconds
 *     └──── key ◀── overflowed (headers only; new viewers wait for the next key frame)
 */
import type { HubMessage } from './hub-log.ts';
import { timestampDelta } from './timeline.ts';

/** Bounds of one stream's cache; 0 bytes turns the GOP off (headers are always kept). */
export interface GopLimits {
  maxBytes: number;
  maxMs: number;
}

/** Headers and newest GOP of one stream. */
export class GopCache {
  readonly #limits: GopLimits;
  readonly #headers = new Map<string, HubMessage>();
  #metadata: HubMessage | undefined;
  #gop: HubMessage[] = [];
  #gopBytes = 0;

  constructor(limits: GopLimits) {
    this.#limits = limits;
  }

  /** True when video was configured or seen: a viewer then starts at a key frame. */
  hasVideo = false;
  hasAudio = false;

  /** Payload bytes of the GOP. */
  get sizeBytes(): number {
    return this.#gopBytes;
  }

  /** Messages since the last key frame, it included; empty while none can be offered. */
  get gop(): readonly HubMessage[] {
    return this.#gop;
  }

  /** Metadata first, then decoder headers in the order in which they first came. */
  headers(): HubMessage[] {
    const headers = [...this.#headers.values()];
    return this.#metadata ? [this.#metadata, ...headers] : headers;
  }

  /** Takes the next message. */
  push(message: HubMessage): void {
    if (message.type === 9) this.hasVideo = true;
    else if (message.type === 8) this.hasAudio = true;
    if (message.kind === 'metadata') this.#metadata = message;
    else if (message.kind === 'header') this.#headers.set(message.slot, message);
    if (message.kind === 'key') this.#clearGop();
    if (message.kind === 'key' ? this.#limits.maxBytes > 0 : this.#gop.length > 0) this.#append(message);
  }

  /** A new publisher: nothing of the old one is of use. */
  clear(): void {
    this.#clearGop();
    this.#headers.clear();
    this.#metadata = undefined;
    this.hasVideo = false;
    this.hasAudio = false;
  }

  #append(message: HubMessage): void {
    this.#gop.push(message);
    this.#gopBytes += message.payload.length;
    const first = this.#gop[0] as HubMessage;
    const spanMs = timestampDelta(message.viewerTimestamp, first.viewerTimestamp);
    if (this.#gopBytes > this.#limits.maxBytes || spanMs > this.#limits.maxMs) this.#clearGop();
  }

  #clearGop(): void {
    this.#gop = [];
    this.#gopBytes = 0;
  }
}
