/**
 * The NATS handle for what a node or an agent says under its name (telemetry): it is not connected, as far as its user can tell, until
 * the name is this node's. So nothing a second machine measured is ever stored under the first one's name (M9); it waits
 * in the outbox. Before it: the handle, and the heartbeat that holds the name; after it: the publisher of the outbox.
 */
import type { NatsConnection } from '@nats-io/transport-node';
import type { NatsHandle, NatsState } from './connect.ts';

/** See the head of the file. */
export class HeldNats implements NatsHandle {
  readonly #nats: NatsHandle;
  readonly #listeners = new Set<(state: NatsState) => void>();
  #isHeld = false;

  constructor(nats: NatsHandle) {
    this.#nats = nats;
  }

  get state(): NatsState {
    return this.#isHeld || this.#nats.state !== 'connected' ? this.#nats.state : 'connecting';
  }

  get connection(): NatsConnection | undefined {
    return this.#isHeld ? this.#nats.connection : undefined;
  }

  /** The name is this node's, or no longer. */
  set isHeld(isHeld: boolean) {
    if (isHeld === this.#isHeld) return;
    this.#isHeld = isHeld;
    for (const listener of this.#listeners) listener(this.state);
  }

  ready(timeoutMs?: number): Promise<NatsConnection> {
    return this.#nats.ready(timeoutMs);
  }

  onChange(listener: (state: NatsState) => void): () => void {
    this.#listeners.add(listener);
    const stop = this.#nats.onChange(() => listener(this.state));
    return () => {
      this.#listeners.delete(listener);
      stop();
    };
  }

  settles<T>(work: Promise<T>): Promise<T> {
    return this.#nats.settles(work);
  }

  /** Nothing: the handle behind it is closed by who made it. */
  async close(): Promise<void> {}
}
