/** Connections that were lost and made again. Before it: the player, told by the connector; after it: `player.reconnect`. */
import type { Reconnect } from '../../../weir-player.d.ts';
import type { MediaFeed } from './feed.ts';

/** Of one player. */
export class Losses {
  /** Connections made again so far. */
  reconnects = 0;
  #lost: { at: number; code: string; node: string } | undefined;

  /** A feed ended; of several before the next one the first counts. */
  lost(feed: MediaFeed, code: string): void {
    this.#lost ??= { at: performance.now(), code, node: feed.tags.info?.node ?? '' };
  }

  /** A feed is there. @returns what it took, when another was lost before. */
  found(feed: MediaFeed, attempts: number): Reconnect | undefined {
    if (!this.#lost) return undefined;
    const { at, code, node: fromNode } = this.#lost;
    this.#lost = undefined;
    this.reconnects += 1;
    const awayMs = (feed.firstByteAt ?? performance.now()) - at;
    return { awayMs, attempts, code, fromNode, toNode: feed.tags.info?.node ?? '' };
  }
}
