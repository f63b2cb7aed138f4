/** All pulls of a node: opens them with what they share, and counts their states and switches for telemetry. */
import type { Config } from '@weir/contracts/config/schema';
import type { Logger } from '@weir/contracts/logger';
import { streamKey } from '../rtmp/names.ts';
import type { Protocol } from '../rtmp/protocol.ts';
import type { MediaObserver, MediaSnapshot, RelayRefusal } from '../stats.ts';
import type { Connections } from '../stream/connections.ts';
import type { Hub } from '../stream/hub.ts';
import type { StreamInput, Upstream, UpstreamEvents } from '../stream/live-stream.ts';
import type { SwitchCause } from './attempt.ts';
import type { KeyRing } from './key-ring.ts';
import type { Switched } from './passage.ts';
import { Pull } from './pull.ts';
import { type RouteOptions, routeTo } from './route.ts';

/** What all pulls of a node share. */
export interface PullsOptions {
  config: Readonly<Pick<Config, 'relay' | 'rtmp'>>;
  node: string;
  ring: KeyRing;
  route: RouteOptions;
  protocol: Protocol;
  connections: Connections;
  observer: MediaObserver;
  logger: Logger;
}

/** One per node. */
export class Pulls {
  readonly #options: PullsOptions;
  readonly #open = new Set<Pull>();
  readonly #switches = new Map<SwitchCause, number>();
  readonly #refusals = new Map<RelayRefusal, number>();

  constructor(options: PullsOptions) {
    this.#options = options;
  }

  /** Starts to pull the hub's stream into `input`; `hops` as in a relay claim. */
  open(hub: Hub, input: StreamInput, hops: number, events: UpstreamEvents): Upstream {
    const { config, node, ring, route, protocol, connections, logger } = this.#options;
    const stream = streamKey(hub);
    const pull: Pull = new Pull({
      hub,
      input,
      stream,
      node,
      hops,
      ring,
      protocol,
      maxMessageBytes: config.rtmp.maxMessageBytes,
      route: () => routeTo(stream, route),
      mayImprove: () => route.directory.isFresh,
      knownEpoch: () => route.directory.publisherOf(stream)?.epoch ?? 0,
      suspects: route.suspects,
      events,
      connectTimeoutMs: config.relay.connectTimeoutMs,
      stallTimeoutMs: config.relay.stallTimeoutMs,
      onSwitched: (switched) => this.#switched(hub, switched),
      onBytes: (bytesIn, bytesOut) => connections.addIo('relay', bytesIn, bytesOut),
      onClosed: () => this.#open.delete(pull),
      logger,
    });
    this.#open.add(pull);
    return pull;
  }

  /** Another node's pull was refused here. */
  refused(reason: RelayRefusal): void {
    this.#refusals.set(reason, (this.#refusals.get(reason) ?? 0) + 1);
  }

  /** The pulls' part of a snapshot. */
  snapshot(): Pick<MediaSnapshot, 'relayPulls' | 'relaySwitches' | 'relayHops' | 'relayRefusals'> {
    const states = new Map<string, number>();
    let relayHops = 0;
    for (const { state, hops } of this.#open) {
      states.set(state, (states.get(state) ?? 0) + 1);
      relayHops = Math.max(relayHops, hops);
    }
    return {
      relayHops,
      relayRefusals: [...this.#refusals].map(([reason, count]) => ({ reason, count })),
      relayPulls: [...states].map(([state, count]) => ({ state, count })),
      relaySwitches: [...this.#switches].map(([cause, count]) => ({ cause, count })),
    };
  }

  #switched(hub: Hub, switched: Switched): void {
    const { cause } = switched;
    this.#switches.set(cause, (this.#switches.get(cause) ?? 0) + 1);
    this.#options.observer.failover({ app: hub.app, stream: hub.name, ...switched, viewers: hub.audienceCount });
  }
}
