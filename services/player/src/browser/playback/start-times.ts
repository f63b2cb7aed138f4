/** From page to picture, and how it was spent. Before it: the first frame on the screen; after it: `player.start`. */
import type { StartTimes } from '../../../weir-player.d.ts';
import type { MediaFeed } from '../source/feed.ts';

/** A player attached this early belongs to the page itself: its start counts from the navigation. */
const WITH_THE_PAGE_MS = 5_000;

/** @param attachedAt when the player was made, @param frameAt when its first frame was shown: `performance.now()`. */
export function startTimesOf(feed: MediaFeed, attachedAt: number, frameAt: number): StartTimes {
  const origin = attachedAt < WITH_THE_PAGE_MS ? 0 : attachedAt;
  const answeredAt = feed.answeredAt ?? feed.dialledAt;
  const firstByteAt = feed.firstByteAt ?? answeredAt;
  return {
    scriptMs: feed.dialledAt - origin,
    connectMs: answeredAt - feed.dialledAt,
    firstByteMs: firstByteAt - answeredAt,
    firstFrameMs: frameAt - firstByteAt,
    totalMs: frameAt - origin,
  };
}
