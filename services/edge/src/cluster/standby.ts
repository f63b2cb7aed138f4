/**
 * One publisher that stands by: it is let in, its newest GOP is kept and the rest forgotten, until it is its turn. Before
 * it: a publisher's session; after it: the streams, which it publishes to like any other while it is in force.
 *
 *   standing by ──the name is free──▶ publishing ──a publisher that is no backup came──▶ standing by
 */
import type { CloseReason } from '@weir/contracts/events';
import type { Publication } from '../rtmp/session-host.ts';
import type { OpenConnection } from '../stream/connections.ts';
import { GopCache, type GopLimits } from '../stream/gop-cache.ts';
import type { MediaMessage } from '../stream/media.ts';

/** What a standby asks around it. */
export interface StandbyOptions {
  /** `app/name`. */
  stream: string;
  connection: OpenConnection;
  /** Bounds of what is kept. */
  gop: GopLimits;
  /** Tries to publish now; undefined while somebody else does. `revoke` is called when that must end. */
  publish(revoke: (reason: CloseReason) => void): Promise<Publication | undefined>;
  /** True when the name is another node's now. */
  isElsewhere(): boolean;
  /** Closes the session. */
  close(reason: CloseReason): void;
  /** It stands by, publishes, or (both false) is gone. */
  onChange(standby: Standby): void;
}

/** A publisher on this node that takes over has so long before this one's last word: nobody is to find the stream without one. */
const GIVE_WAY_MS = 1_000;

/** See the head of the file. */
export class Standby implements Publication {
  readonly #options: StandbyOptions;
  readonly #kept: GopCache;
  #active: Publication | undefined;
  #givingWay: NodeJS.Timeout | undefined;
  #isTrying = false;
  #isEnded = false;

  constructor(options: StandbyOptions) {
    this.#options = options;
    this.#kept = new GopCache(options.gop);
  }

  /** `app/name`. */
  get stream(): string {
    return this.#options.stream;
  }

  get isPublishing(): boolean {
    return this.#active !== undefined;
  }

  get isWaiting(): boolean {
    return !this.isPublishing && !this.#isEnded;
  }

  push(media: MediaMessage): void {
    const at = { viewerTimestamp: media.timestamp, epoch: 0, sequence: 0, hops: 0, breaks: false };
    this.#kept.push({ ...media, ...at });
    this.#active?.push(media);
  }

  end(reason: CloseReason): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#kept.clear();
    this.#active?.end(reason);
    this.#active = undefined;
    this.#options.connection.close(reason);
    this.#options.onChange(this);
  }

  /** Publishes if nobody else does: viewers go on at its newest key frame, which is here already. */
  async try(): Promise<void> {
    if (this.#isTrying || !this.isWaiting || this.#givingWay !== undefined) return;
    this.#isTrying = true;
    const publication = await this.#options
      .publish((reason) => this.#revoked(reason))
      .finally(() => {
        this.#isTrying = false;
      });
    if (!publication) return;
    if (this.#isEnded) {
      publication.end('client-closed');
      return;
    }
    this.#active = publication;
    for (const message of [...this.#kept.headers(), ...this.#kept.gop]) publication.push(message);
    this.#options.onChange(this);
  }

  /** Another publisher has the name, or this one must go altogether. */
  #revoked(reason: CloseReason): void {
    const active = this.#active;
    if (reason !== 'stream-busy' || !active) {
      this.#options.close(reason);
      return;
    }
    this.#active = undefined;
    if (this.#options.isElsewhere()) active.end(reason);
    else {
      this.#givingWay = setTimeout(() => {
        this.#givingWay = undefined;
        active.end(reason);
      }, GIVE_WAY_MS).unref();
    }
    this.#options.onChange(this);
  }
}
