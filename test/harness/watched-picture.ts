/** What a page itself sees of a player's picture, apart from the player: to hold what the player tells against. */
import type { Page } from 'playwright-core';

/** All in ms since the watching began. */
export interface WatchedPicture {
  /** Times without a new frame, beyond the 40 ms in which one is due; those of a quarter of a second at least. */
  gaps: number[];
  /** Stalls as the player told them. */
  told: number[];
  /** Longest time without a new frame, less 40 ms. */
  longest: number;
  /** Longest time in which the playhead stood still. */
  still: number;
}

const WATCH_FRAMES = `(() => {
  const video = document.querySelector('video');
  const watched = (window.watched = { gaps: [], told: [], longest: 0, still: 0 });
  window.weirPlayer.on('stall', ({ durationMs }) => watched.told.push(durationMs));
  let last = 0;
  const seen = (now, { presentationTime }) => {
    const missing = last ? presentationTime - last - 40 : 0;
    watched.longest = Math.max(watched.longest, missing);
    if (missing > 250) watched.gaps.push(missing);
    last = presentationTime;
    video.requestVideoFrameCallback(seen);
  };
  video.requestVideoFrameCallback(seen);
  let [place, movedAt] = [video.currentTime, performance.now()];
  setInterval(() => {
    const now = performance.now();
    if (video.currentTime !== place) [place, movedAt] = [video.currentTime, now];
    watched.still = Math.max(watched.still, now - movedAt);
  }, 10);
})()`;

/** Watches the page's video from now on; gives what was seen so far. */
export async function watchFrames(page: Page): Promise<() => Promise<WatchedPicture>> {
  await page.evaluate(WATCH_FRAMES);
  return () => page.evaluate('window.watched') as Promise<WatchedPicture>;
}
