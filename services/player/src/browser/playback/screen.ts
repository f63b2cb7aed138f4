/**
 * The video element as the player uses it: started with sound or, where the browser insists, without; what is buffered ahead
 * of its playhead; jumps forward. Before it: the player, which decides; after it: the browser.
 */

/** What came of starting. */
export type Started = 'playing' | 'blocked' | 'failed';

/** One element. */
export class Screen {
  readonly video: HTMLVideoElement;
  readonly #onMuted: () => void;
  #wasMuted = false;
  #closed = false;

  /** @param onMuted the browser allowed no start with sound. */
  constructor(video: HTMLVideoElement, onMuted: () => void) {
    this.video = video;
    this.#onMuted = onMuted;
  }

  /** The browser allowed no start with sound. */
  get wasMuted(): boolean {
    return this.#wasMuted;
  }

  /** Media ahead of the playhead, ms. */
  get bufferMs(): number {
    const { buffered, currentTime } = this.video;
    return buffered.length === 0 ? 0 : Math.max(0, (buffered.end(buffered.length - 1) - currentTime) * 1_000);
  }

  jump(ms: number): void {
    if (ms > 0) this.video.currentTime += ms / 1_000;
  }

  /** Plays, muted if it must be; `blocked` when the browser wants a gesture even then. Another start may have overtaken it. */
  async start(): Promise<Started> {
    try {
      await this.video.play();
      return 'playing';
    } catch (error) {
      if (!(error instanceof DOMException && error.name === 'NotAllowedError')) return 'failed';
    }
    if (this.#closed) return 'failed';
    if (this.video.muted) return 'blocked';
    this.video.muted = true;
    this.#wasMuted = true;
    this.#onMuted();
    return this.start();
  }

  /** A start that is under way changes nothing any more. */
  close(): void {
    this.#closed = true;
  }
}
