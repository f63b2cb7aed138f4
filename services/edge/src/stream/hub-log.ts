/**
 * The newest messages of one stream in the order they came, numbered: what the viewers' merge windows are cut from.
 * Before it: the hub's timeline; after it: lanes, which send ranges of it and say how far everybody has got.
 */
import type { MediaMessage } from './media.ts';

/** A message inside a hub. The encoded forms are filled in when first needed, see encoding.ts. */
export interface HubMessage extends MediaMessage {
  /** Timestamp for viewers; `timestamp` is the publisher's. Both modulo 2^32. */
  viewerTimestamp: number;
  /** Which publisher it comes from, see hub.ts. */
  epoch: number;
  /**
   * Number of the message in its epoch, given by the publishing edge: the same on every node. {@link UNNUMBERED} for a
   * header that an upstream sent ahead of the media.
   */
  sequence: number;
  /** Nodes between the publisher and whoever this node hands it to, this node included. */
  hops: number;
  /** True unless it directly follows the message before it in the log: a relay must be told where it stands. */
  breaks: boolean;
  rtmp?: Buffer;
  relay?: Buffer;
  flv?: Buffer;
}

/** `sequence` of headers sent ahead of the media. */
export const UNNUMBERED = -1;

/** Numbered from 0 on this node; numbers are never used twice. */
export class HubLog {
  #messages: HubMessage[] = [];
  /** Per message: payload bytes of all before it, since the log began. */
  #startBytes: number[] = [];
  #first = 0;
  #endBytes = 0;

  /** Number of the oldest message kept. */
  get start(): number {
    return this.#first;
  }

  /** Number the next message will get. */
  get end(): number {
    return this.#first + this.#messages.length;
  }

  /** Payload bytes kept. */
  get sizeBytes(): number {
    return this.bytesFrom(this.#first);
  }

  /** Payload bytes from the message `index`, kept or still to come, on. */
  bytesFrom(index: number): number {
    return this.#endBytes - (this.#startBytes[index - this.#first] ?? this.#endBytes);
  }

  /** Appends; returns its number. */
  push(message: HubMessage): number {
    this.#messages.push(message);
    this.#startBytes.push(this.#endBytes);
    this.#endBytes += message.payload.length;
    return this.end - 1;
  }

  /** The message with number `index`, which must be kept. */
  at(index: number): HubMessage {
    const message = this.#messages[index - this.#first];
    if (!message) throw new RangeError(`Message ${index} is not in the log (${this.start}-${this.end}).`);
    return message;
  }

  /** Forgets all messages before `index`. */
  trim(index: number): void {
    const count = index - this.#first;
    if (count <= 0) return;
    this.#messages.splice(0, count);
    this.#startBytes.splice(0, count);
    this.#first = index;
  }
}
