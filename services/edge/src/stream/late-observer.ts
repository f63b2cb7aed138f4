/**
 * Passes on what happens to connections once somebody observes: the listeners must be up (their ports belong to the
 * node's identity) before telemetry can start. Until then the first events wait.
 */
import type { MediaObserver } from '../stats.ts';

/** Events kept until an observer comes; later ones are not observed. Between listening and observing lie milliseconds. */
const MAX_WAITING = 1_000;

/** An observer whose observer comes later. */
export class LateObserver implements MediaObserver {
  #observer: MediaObserver | undefined;
  #waiting: ((observer: MediaObserver) => void)[] = [];

  /** From now on everything goes to `observer`, what has waited first. */
  attach(observer: MediaObserver): void {
    this.#observer = observer;
    for (const tell of this.#waiting) tell(observer);
    this.#waiting = [];
  }

  connectionOpened(...event: Parameters<MediaObserver['connectionOpened']>): void {
    this.#tell((observer) => observer.connectionOpened(...event));
  }

  connectionClosed(...event: Parameters<MediaObserver['connectionClosed']>): void {
    this.#tell((observer) => observer.connectionClosed(...event));
  }

  failover(...event: Parameters<MediaObserver['failover']>): void {
    this.#tell((observer) => observer.failover(...event));
  }

  clusterChanged(...event: Parameters<MediaObserver['clusterChanged']>): void {
    this.#tell((observer) => observer.clusterChanged(...event));
  }

  streamChanged(...event: Parameters<MediaObserver['streamChanged']>): void {
    this.#tell((observer) => observer.streamChanged(...event));
  }

  adminAction(...event: Parameters<MediaObserver['adminAction']>): void {
    this.#tell((observer) => observer.adminAction(...event));
  }

  #tell(tell: (observer: MediaObserver) => void): void {
    if (this.#observer) tell(this.#observer);
    else if (this.#waiting.length < MAX_WAITING) this.#waiting.push(tell);
  }
}
