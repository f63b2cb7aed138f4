/**
 * Whether this director answers for its groups' virtual addresses, and when that changed. It asks the kernel, not
 * keepalived: who has the address decides where packets go, also when keepalived hangs, was killed or disagrees with its
 * partner. Before it: addresses of the cards (`ip monitor` tells changes at once, in order), the VRRP socket, the card's
 * carrier; after it: metrics, and one event per change with its time.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { createInterface } from 'node:readline';
import { EVENT, VRRP_ATTRIBUTE } from '@weir/contracts/events';
import type { Logger } from '@weir/contracts/logger';
import { SITE_ATTRIBUTE, VRRP_STATES, type VrrpState } from '@weir/contracts/site-metrics';
import type { EventQueue } from '../event-queue.ts';
import type { Measure, MetricSource } from '../measurement.ts';
import type { DirectedGroup } from './directed-groups.ts';

/** What {@link watchVrrp} needs. */
export interface VrrpOptions {
  groups: readonly DirectedGroup[];
  /** Told of changes; may come after the first of them. */
  events: () => EventQueue | undefined;
  logger: Logger;
}

/** The groups' states as a source. */
export interface VrrpWatch extends MetricSource {
  close(): void;
}

/** IP protocol number of VRRP as /proc/net/raw writes it in the place of a port. */
const VRRP_SOCKET = /^\s*\d+: [0-9A-F]+:0070 /m;

interface Watched extends DirectedGroup {
  isHeld: boolean;
  state: VrrpState;
  /** The last sample found another holder than the monitor told: at the next it is believed. */
  isDoubtful: boolean;
  /** Changes into each state since the last sample. */
  changes: Map<VrrpState, number>;
}

/** Starts to watch. */
export function watchVrrp(options: VrrpOptions): VrrpWatch {
  return new KernelVrrpWatch(options);
}

class KernelVrrpWatch implements VrrpWatch {
  readonly #options: VrrpOptions;
  readonly #groups: Watched[];
  #monitor: ChildProcess | undefined;
  #isClosed = false;

  constructor(options: VrrpOptions) {
    this.#options = options;
    this.#watch();
    const held = heldAddresses();
    this.#groups = options.groups.map((group) => {
      const isHeld = held.has(group.address);
      return { ...group, isHeld, state: stateOf(group, isHeld), isDoubtful: false, changes: new Map() };
    });
  }

  sample(measure: Measure): void {
    if (!this.#monitor) this.#watch();
    const held = heldAddresses();
    for (const group of this.#groups) {
      this.#see(group, this.#holds(group, held.has(group.address)));
      const name = { [SITE_ATTRIBUTE.vrrpGroup]: group.name };
      measure('weir.vrrp.address.held', group.isHeld ? 1 : 0, name);
      measure('weir.vrrp.directors', group.directors, name);
      for (const state of VRRP_STATES) {
        const inState = { ...name, [SITE_ATTRIBUTE.vrrpState]: state };
        measure('weir.vrrp.state', group.state === state ? 1 : 0, inState);
        measure('weir.vrrp.changes', group.changes.get(state) ?? 0, inState);
      }
      group.changes.clear();
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#monitor?.kill();
  }

  /** The monitor is in order and in time; a look at the cards may be ahead of what it has yet to tell. */
  #holds(group: Watched, onCard: boolean): boolean {
    const isBelieved = !this.#monitor || group.isDoubtful;
    group.isDoubtful = onCard !== group.isHeld;
    return isBelieved ? onCard : group.isHeld;
  }

  #see(group: Watched, isHeld: boolean): void {
    const state = stateOf(group, isHeld);
    group.isHeld = isHeld;
    const before = group.state;
    if (state === before) return;
    group.state = state;
    group.changes.set(state, (group.changes.get(state) ?? 0) + 1);
    this.#options.logger.info({ group: group.name, from: before, to: state }, 'this director changed its state');
    const timeMs = Date.now();
    const attributes = {
      [VRRP_ATTRIBUTE.group]: group.name,
      [VRRP_ATTRIBUTE.state]: state,
      [VRRP_ATTRIBUTE.before]: before,
    };
    this.#options.events()?.record(() => ({ name: EVENT.vrrp, timeMs, attributes }));
  }

  /** Without `ip` there are the samples alone. */
  #watch(): void {
    if (this.#isClosed) return;
    const monitor = spawn('ip', ['-oneline', 'monitor', 'address'], { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#monitor = monitor;
    const gone = () => {
      this.#monitor = undefined;
    };
    monitor.on('error', gone);
    monitor.on('exit', gone);
    monitor.unref();
    const lines = createInterface({ input: monitor.stdout });
    lines.on('line', (line) => {
      const address = /\binet6? ([^/\s]+)/.exec(line)?.[1];
      const group = this.#groups.find((one) => one.address === address);
      if (group) this.#see(group, !line.startsWith('Deleted'));
    });
  }
}

function stateOf({ card }: DirectedGroup, isHeld: boolean): VrrpState {
  if (!VRRP_SOCKET.test(read('/proc/net/raw')) && !VRRP_SOCKET.test(read('/proc/net/raw6'))) return 'stopped';
  if (isHeld) return 'master';
  return read(`/sys/class/net/${card}/carrier`).trim() === '1' ? 'backup' : 'fault';
}

/** Addresses of all cards; those on lo are an edge's. */
function heldAddresses(): Set<string> {
  const cards = Object.entries(networkInterfaces()).filter(([name]) => name !== 'lo');
  return new Set(cards.flatMap(([, addresses]) => (addresses ?? []).map(({ address }) => address)));
}

/** Empty when it cannot be read: a card that is down has no readable carrier. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
