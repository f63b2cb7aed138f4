/**
 * How much more a node can take, 0 (nothing) to 100 (idle): what is left of its scarcest resource, smoothed, and changed
 * only when it matters (B9). Before it: the node's own figures; after it: `/weight`, the heartbeat, keepalived's weights.
 */

/** How much of each resource is used, 0-1. */
export interface Usage {
  /** Of the connections it accepts. */
  connections: number;
  /** Of the one core its event loop has. */
  cpu: number;
  /** Of the bandwidth it may send; 0 when no limit is known. */
  bandwidth: number;
}

/** A change of fewer points is no change: health checkers and other nodes are told nothing. */
const HYSTERESIS = 5;
/** Share of a new figure in the smoothed one: half of a step after some 3 samples. */
const SMOOTHING = 0.2;

/** One per node. */
export class LoadWeight {
  #smoothed: Usage | undefined;
  #shown = 100;

  /** Takes a sample; called at even intervals of some seconds. */
  sample(usage: Usage): void {
    const before = this.#smoothed ?? usage;
    const smooth = (what: keyof Usage) => before[what] + (clamp(usage[what]) - before[what]) * SMOOTHING;
    // Connections are exact and do not jump about.
    this.#smoothed = {
      connections: clamp(usage.connections),
      cpu: smooth('cpu'),
      bandwidth: smooth('bandwidth'),
    };
    const { connections, cpu, bandwidth } = this.#smoothed;
    const left = 1 - Math.max(connections, cpu, bandwidth);
    // A node that can take one more connection is not out.
    const weight = left <= 0 ? 0 : Math.max(1, Math.round(left * 100));
    const isEnd = (weight === 0) !== (this.#shown === 0);
    if (isEnd || Math.abs(weight - this.#shown) >= HYSTERESIS) this.#shown = weight;
  }

  /** 0-100. */
  get value(): number {
    return this.#shown;
  }
}

function clamp(share: number): number {
  return Math.min(1, Math.max(0, share));
}
