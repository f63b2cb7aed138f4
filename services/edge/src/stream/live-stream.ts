/**
 * One stream on this node over all its ups and downs: at most one source (a publisher here, or a pull from another
 * node), any number of viewers, and the times they wait for each other. Gone when it has neither.
 */
import type { CloseReason } from '@weir/contracts/events';
import type { StreamSource } from '../stats.ts';
import { Hub, type HubOptions } from './hub.ts';
import type { HubTap } from './taps.ts';
import type { Viewer } from './viewer.ts';

/** A running pull from other nodes into a hub. */
export interface Upstream {
  readonly state: 'idle' | 'connecting' | 'live' | 'switching' | 'waiting';
  /** Node it pulls from at present; empty = none. */
  readonly from: string;
  /** Bytes received so far. */
  readonly bytesIn: number;
  /** The directory says something new about the stream, or about the nodes. */
  wake(): void;
  close(): void;
}

/** What a pull tells its stream. */
export interface UpstreamEvents {
  /** There is no media at present and none in sight. */
  interrupted(): void;
  /** The stream is over: the publishing node says so. */
  ended(): void;
}

/** Where a source's media goes: the hub, or what stands in front of it. */
export type StreamInput = Pick<Hub, 'epoch' | 'nextSequence' | 'hops' | 'beginEpoch' | 'push' | 'pushHeader'>;

/** Shows something else while there is no source (relay/filler.ts), and lets the source through when it is off. */
export interface StandIn extends StreamInput {
  readonly isOn: boolean;
  start(): void;
  stop(): void;
}

/** Starts a pull of the hub's stream into `input`; `hops` as in a relay claim. */
export type OpenUpstream = (hub: Hub, input: StreamInput, hops: number, events: UpstreamEvents) => Upstream;

/** The publisher on this node. */
export interface LocalPublisher {
  epoch: number;
  /** It gives way to any publisher that is none, see cluster/backups.ts. */
  backup: boolean;
  /** Closes its session. */
  revoke(reason: CloseReason): void;
  /** Milliseconds since it last sent anything. */
  idleMs(nowMs: number): number;
}

/** Times, see config `relay` and `stream`. */
export interface StreamTimes {
  lingerMs: number;
  publisherGraceMs: number;
  notFoundWaitMs: number;
}

/** Options of {@link LiveStream}. */
export interface LiveStreamOptions {
  hub: HubOptions;
  times: StreamTimes;
  openUpstream: OpenUpstream;
  /** Gives what stands in for an absent source; undefined = nothing does, and viewers are put out after a while. */
  standIn: ((hub: Hub) => StandIn | undefined) | undefined;
  /** It has no source and no viewers: forget it. */
  onUnused(stream: LiveStream): void;
}

/** A stream that ended while something stands in for it is looked for again after so long. */
const LOOK_AGAIN_MS = 500;

/** See the head of the file. */
export class LiveStream {
  readonly hub: Hub;
  /** Where the source's media goes. */
  readonly input: StreamInput;
  publisher: LocalPublisher | undefined;
  upstream: Upstream | undefined;
  readonly #options: LiveStreamOptions;
  readonly #patience = new Map<Viewer, NodeJS.Timeout>();
  readonly #standIn: StandIn | undefined;
  #linger: NodeJS.Timeout | undefined;
  #grace: NodeJS.Timeout | undefined;
  #again: NodeJS.Timeout | undefined;

  constructor(options: LiveStreamOptions) {
    this.#options = options;
    this.hub = new Hub(options.hub);
    this.#standIn = options.standIn?.(this.hub);
    this.input = this.#standIn ?? this.hub;
  }

  /** What feeds it now. */
  get source(): StreamSource {
    if (this.publisher) return 'publisher';
    if (this.#standIn?.isOn) return 'filler';
    return this.upstream && this.hub.state === 'live' ? 'relay' : 'none';
  }

  /** A publisher connected here: it takes over from whatever was the source. */
  setPublisher(publisher: LocalPublisher): void {
    this.#closeUpstream();
    clearTimeout(this.#grace);
    this.publisher = publisher;
    this.input.hops = 0;
    this.input.beginEpoch(publisher.epoch);
  }

  /** The publisher here is gone; viewers wait for it, here or on another node, for the grace time. */
  publisherGone(publisher: LocalPublisher): void {
    if (this.publisher !== publisher) return;
    this.publisher = undefined;
    this.#interrupted();
    this.#putOutRelays();
    if (this.#isWanted) this.#pull(1);
    else this.#unused();
  }

  /** Takes a viewer or relay; without a publisher here the stream is pulled. `hops` are those of its claim, 0 for viewers. */
  attach(viewer: Viewer, hops: number): void {
    clearTimeout(this.#linger);
    this.#linger = undefined;
    this.hub.attach(viewer);
    if (this.hub.isWaiting(viewer)) this.#waitFor(viewer);
    if (!this.publisher) this.#pull(hops + 1);
  }

  /** Lets a viewer go. The last one takes the pull with it, after a while. */
  detach(viewer: Viewer): void {
    clearTimeout(this.#patience.get(viewer));
    this.#patience.delete(viewer);
    this.hub.detach(viewer);
    this.#maybeUnused();
  }

  /** Takes a tap; the stream is pulled for it as for a viewer. */
  tap(tap: HubTap): void {
    clearTimeout(this.#linger);
    this.#linger = undefined;
    this.hub.tap(tap);
    if (!this.publisher) this.#pull(1);
  }

  /** Lets a tap go. */
  untap(tap: HubTap): void {
    this.hub.untap(tap);
    this.#maybeUnused();
  }

  /** Other nodes look for it elsewhere; were they kept, this node could come to pull from one that pulls from it. */
  #putOutRelays(): void {
    for (const viewer of this.hub.viewers()) {
      if (viewer.transport.encoding !== 'relay') continue;
      this.detach(viewer);
      viewer.transport.end('source-lost');
    }
  }

  get #isWanted(): boolean {
    return this.hub.viewerCount > 0 || this.hub.tapCount > 0;
  }

  #maybeUnused(): void {
    if (this.#isWanted || this.publisher) return;
    if (this.upstream && this.hub.state === 'live') {
      this.#linger ??= setTimeout(() => this.#unused(), this.#options.times.lingerMs).unref();
    } else this.#unused();
  }

  /** Tells all viewers that it is over, ends the source, and is unused from then on. */
  end(reason: CloseReason): void {
    this.publisher?.revoke(reason);
    this.publisher = undefined;
    this.#closeUpstream();
    this.#standIn?.stop();
    for (const timer of this.#patience.values()) clearTimeout(timer);
    this.#patience.clear();
    this.hub.end(reason);
    this.#unused();
  }

  #pull(hops: number): void {
    clearTimeout(this.#again);
    this.upstream ??= this.#options.openUpstream(this.hub, this.input, hops, {
      interrupted: () => this.#interrupted(),
      ended: () => this.#sourceEnded(),
    });
  }

  /** The stream is over, unless something stands in: then its next publisher is waited for. */
  #sourceEnded(): void {
    if (!this.#standsIn()) {
      this.end('stream-ended');
      return;
    }
    this.#closeUpstream();
    this.#again = setTimeout(() => {
      if (this.#isWanted && !this.publisher) this.#pull(1);
    }, LOOK_AGAIN_MS).unref();
  }

  /** True when something stands in for the source, from now on or already. */
  #standsIn(): boolean {
    const isWatched = this.hub.audienceCount > 0 || this.hub.tapCount > 0;
    if (!this.#standIn || this.publisher || !isWatched) return false;
    if (this.#standIn.isOn) return true;
    clearTimeout(this.#grace);
    // What stands in is for the viewers here; other nodes have their own.
    this.#putOutRelays();
    this.#standIn.start();
    return true;
  }

  #closeUpstream(): void {
    clearTimeout(this.#again);
    this.upstream?.close();
    this.upstream = undefined;
  }

  #interrupted(): void {
    if (this.#standsIn() || this.hub.state !== 'live') return;
    this.hub.interrupt();
    this.hub.showLife(true);
    clearTimeout(this.#grace);
    this.#grace = setTimeout(() => {
      if (this.hub.state === 'interrupted') this.end('stream-ended');
    }, this.#options.times.publisherGraceMs).unref();
  }

  #waitFor(viewer: Viewer): void {
    const timer = setTimeout(() => {
      this.#patience.delete(viewer);
      if (!this.hub.isWaiting(viewer) || this.#standsIn()) return;
      // There is a stream, and its key frames are far apart.
      if (this.publisher || this.upstream?.state === 'live') this.#waitFor(viewer);
      else {
        viewer.transport.end('stream-not-found');
        this.detach(viewer);
      }
    }, this.#options.times.notFoundWaitMs);
    this.#patience.set(viewer, timer.unref());
  }

  #unused(): void {
    if (this.publisher || this.#isWanted) return;
    clearTimeout(this.#linger);
    clearTimeout(this.#grace);
    this.#standIn?.stop();
    this.#closeUpstream();
    this.#options.onUnused(this);
  }
}
