/**
 * Publishers and viewers as people have them: when their server is gone or silent they connect to another edge. They note
 * the longest time without media. Before them: the edges alive at the moment; after them: chaos.ts, which judges.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type GapViewer, watch } from '../bench/failover/gap-viewer.ts';
import { type ClipPublisher, publishClip } from '../harness/rtmp-viewer.ts';

/** RTMP URL of `stream` on an edge that lives; another one at each call. */
export type EdgeUrl = (stream: string) => string;

/** A player leaves a server that sends nothing for so long. */
const GIVE_UP_MS = 2_000;
const LOOK_MS = 100;
const RETRY_MS = 200;

/** Watches one stream for ever, with as many connections as it takes. */
export class PersistentViewer {
  readonly stream: string;
  reconnects = 0;
  frames = 0;
  #longestMs = 0;
  #lastFrameMs = performance.now();
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(stream: string, url: EdgeUrl) {
    this.stream = stream;
    this.#running = this.#run(url);
  }

  /** The longest time without media since the last call. */
  takeLongestPauseMs(): number {
    const longestMs = Math.max(this.#longestMs, performance.now() - this.#lastFrameMs);
    this.#longestMs = 0;
    return Math.round(longestMs);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(url: EdgeUrl): Promise<void> {
    while (!this.#stopped) {
      const viewer = await watch(url(this.stream)).catch(() => undefined);
      if (viewer) await this.#follow(viewer);
      viewer?.close();
      if (this.#stopped) return;
      this.reconnects += 1;
      await sleep(RETRY_MS);
    }
  }

  async #follow(viewer: GapViewer): Promise<void> {
    let seen = 0;
    let progressMs = performance.now();
    while (!this.#stopped && !viewer.isClosed && performance.now() - progressMs < GIVE_UP_MS) {
      await sleep(LOOK_MS);
      if (viewer.frames === seen) continue;
      const nowMs = performance.now();
      this.#longestMs = Math.max(this.#longestMs, nowMs - this.#lastFrameMs);
      this.#lastFrameMs = nowMs;
      progressMs = nowMs;
      this.frames += viewer.frames - seen;
      seen = viewer.frames;
    }
  }
}

/** Publishes one stream for ever. */
export class PersistentPublisher {
  readonly stream: string;
  republished = 0;
  #stopped = false;
  #publisher: ClipPublisher | undefined;
  readonly #running: Promise<void>;

  constructor(stream: string, url: EdgeUrl) {
    this.stream = stream;
    this.#running = this.#run(url);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#publisher?.client.close();
    await this.#running;
  }

  async #run(url: EdgeUrl): Promise<void> {
    while (!this.#stopped) {
      const publisher = await publishClip(url(this.stream)).catch(() => undefined);
      this.#publisher = publisher;
      if (this.#stopped) publisher?.client.close();
      if (publisher) await this.#untilLost(publisher);
      publisher?.client.close();
      if (!this.#stopped) await sleep(RETRY_MS);
      this.republished += 1;
    }
  }

  /** An encoder notices a server that takes nothing by its full send buffer. */
  async #untilLost({ client }: ClipPublisher): Promise<void> {
    let fullSinceMs = 0;
    while (!this.#stopped && !client.socket.destroyed) {
      await sleep(LOOK_MS);
      const isFull = client.socket.writableLength > 65_536;
      fullSinceMs = isFull ? fullSinceMs || performance.now() : 0;
      if (isFull && performance.now() - fullSinceMs > GIVE_UP_MS) return;
    }
  }
}
