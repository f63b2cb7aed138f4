/**
 * All streams of this node, and the two questions every protocol asks: may I publish, may I play. Before it: sessions;
 * after it: hubs. Who else publishes is asked of the cluster's claims; a stream that is not here is pulled.
 */
import type { CloseReason, Protocol as ConnectionProtocol } from '@weir/contracts/events';
import type { NodeStream } from '@weir/contracts/nats/control';
import type { StreamTraffic } from '../access/bitrate-guard.ts';
import type { Refusal } from '../access/check.ts';
import { type StreamName, streamKey } from '../rtmp/names.ts';
import type { ClientInfo, Playback, Publication } from '../rtmp/session-host.ts';
import type { StreamSnapshot } from '../stats.ts';
import type { Connections, CountedSocket, OpenConnection } from './connections.ts';
import type { Hub } from './hub.ts';
import type { HubSettings } from './hub-settings.ts';
import { LiveStream, type LocalPublisher, type OpenUpstream, type StandIn, type StreamTimes } from './live-stream.ts';
import type { PublishingClient, StandbyDesk, StreamClaim, StreamClaims } from './name-rights.ts';
import type { HubTap } from './taps.ts';
import { Viewer, type ViewerTransport } from './viewer.ts';

/** Options of {@link Streams}. */
export interface StreamsOptions {
  /** What the hubs of an app are made with. */
  hub: HubSettings;
  times: StreamTimes;
  claims: StreamClaims;
  openUpstream: OpenUpstream;
  connections: Connections;
  /** A publisher that sends nothing for so long is closed. */
  idleTimeoutMs: number;
  /** A publisher that sent nothing for so long gives way to a new one of the same stream. */
  staleAfterMs: number;
  /** True when a new publisher of this app replaces the present one. Default: it is refused. */
  newestWins?: (app: string) => boolean;
  /** Absent: nobody stands by. */
  standby?: StandbyDesk;
  /** What a stream's viewers are shown while nobody publishes it; absent or undefined: nothing. */
  standIn?: (hub: Hub) => StandIn | undefined;
}

const SWEEP_MS = 1_000;
/** A quiet stream shows relays so often that its node lives; a third of the time after which it counts as stalled. */
const SHOW_LIFE_MS = 300;

/** One per node. */
export class Streams {
  readonly #options: StreamsOptions;
  readonly #streams = new Map<string, LiveStream>();
  readonly #asking = new Set<string>();
  readonly #timer: NodeJS.Timeout;
  readonly #lifeTimer: NodeJS.Timeout;
  /** Messages not sent to slow viewers of streams that are gone. */
  #framesDropped = 0;

  constructor(options: StreamsOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#sweep(Date.now()), SWEEP_MS).unref();
    this.#lifeTimer = setInterval(() => {
      for (const { hub } of this.#streams.values()) hub.showLife();
    }, SHOW_LIFE_MS).unref();
  }

  /** Messages not sent to slow viewers, total. */
  get framesDropped(): number {
    let frames = this.#framesDropped;
    for (const { hub } of this.#streams.values()) frames += hub.framesDropped;
    return frames;
  }

  /** Every stream of the node. */
  list(): LiveStream[] {
    return [...this.#streams.values()];
  }

  /** The stream `app/name` if it is here. */
  get(stream: string): LiveStream | undefined {
    return this.#streams.get(stream);
  }

  /** True when `app/name` has a publisher here that would not give way to a new one: it has sent something lately. */
  isPublished(stream: string): boolean {
    const publisher = this.#streams.get(stream)?.publisher;
    return publisher !== undefined && publisher.idleMs(Date.now()) < this.#options.staleAfterMs;
  }

  /** True when the publisher of `name`, on whatever node, would leave for one that comes here now: no place is taken. */
  async givesWay(name: StreamName): Promise<boolean> {
    const { claims, newestWins, standby } = this.#options;
    if (standby?.wants(name)) return false; // it would stand by beside that one
    const key = streamKey(name);
    const holder = this.#streams.get(key)?.publisher;
    if (!holder) return claims.givesWay(key);
    return !holder.backup && (newestWins?.(name.app) === true || !this.isPublished(key));
  }

  /** One entry per stream. */
  snapshot(): StreamSnapshot[] {
    return this.list().map(({ hub, source }) => ({
      app: hub.app,
      name: hub.name,
      source,
      viewers: hub.audienceCount,
      bytesIn: hub.bytesIn,
      bytesOut: hub.bytesOut,
      videoFrames: hub.videoFrames,
      audioFrames: hub.audioFrames,
    }));
  }

  /** What each stream moves, and how to close its publisher when it is here. */
  traffic(): StreamTraffic[] {
    return this.list().map(({ hub, publisher }) => ({
      app: hub.app,
      name: hub.name,
      bytesIn: hub.bytesIn,
      bytesOut: hub.bytesOut,
      revoke: publisher && ((reason) => publisher.revoke(reason)),
    }));
  }

  /** One entry per stream, for people who ask which way it goes. */
  describe(): NodeStream[] {
    const { standby } = this.#options;
    const here = this.list().map(({ hub, input, source, upstream }) => ({
      stream: streamKey(hub),
      source,
      from: upstream?.from ?? '',
      state: upstream?.state ?? 'idle',
      viewers: hub.audienceCount,
      standbys: standby?.waiting(streamKey(hub)) ?? 0,
      epoch: input.epoch,
      hops: input.hops,
    }));
    const unwatched = { source: 'none', from: '', state: 'idle', viewers: 0, epoch: 0, hops: 0 } as const;
    const others = (standby?.streams() ?? []).filter((stream) => !this.#streams.has(stream));
    return [...here, ...others.map((stream) => ({ ...unwatched, stream, standbys: standby?.waiting(stream) ?? 0 }))];
  }

  /** May this client publish? `revoke` is called when it must stop later on. */
  publish(
    name: StreamName,
    client: PublishingClient,
    revoke: (reason: CloseReason) => void,
    protocol: ConnectionProtocol = 'rtmp',
  ): Promise<Publication | Refusal> {
    const { standby } = this.#options;
    return standby?.wants(name)
      ? standby.enter(name, client, revoke, protocol)
      : this.publishNow(name, client, revoke, protocol);
  }

  /** The same without standing by: at once or not at all. */
  async publishNow(
    name: StreamName,
    client: PublishingClient,
    revoke: (reason: CloseReason) => void,
    protocol: ConnectionProtocol,
    backup = false,
  ): Promise<Publication | Refusal> {
    const key = streamKey(name);
    const busy: Refusal = { refused: 'stream-busy', description: `${key} is being published already.` };
    const holder = this.#streams.get(key)?.publisher;
    if (this.#asking.has(key)) return busy;
    if (holder) {
      const replaces = !backup && (holder.backup || this.#options.newestWins?.(name.app) === true);
      if (!replaces && holder.idleMs(Date.now()) < this.#options.staleAfterMs) return busy;
      holder.revoke(replaces ? 'stream-busy' : 'idle');
    }
    this.#asking.add(key);
    let claim: StreamClaim | undefined;
    try {
      claim = await this.#options.claims.claim(key, () => revoke('stream-busy'), backup);
    } finally {
      this.#asking.delete(key);
    }
    if (!claim) return busy;
    return this.#begin(name, client, revoke, claim, protocol, backup);
  }

  /** May this client play? Its transport is told when the stream begins, and when it ends or is not found. */
  play(name: StreamName, client: ClientInfo, transport: ViewerTransport, protocol: ConnectionProtocol): Playback {
    return this.#attach(name, client, transport, protocol, 0);
  }

  /** The same for another node, whose claim was verified and says `hops`. */
  relay(name: StreamName, client: ClientInfo, transport: ViewerTransport, hops: number): Playback {
    return this.#attach(name, client, transport, 'rtmp', hops);
  }

  /** Takes all messages of a stream, from its newest GOP on, pulled if it is not here. `stop` may be called at any time. */
  tap(name: StreamName, tap: HubTap): { stop(): void } {
    const stream = this.#streamFor(name);
    stream.tap(tap);
    return { stop: () => stream.untap(tap) };
  }

  /** The directory changed: pulls may have a better way, or a way at all. */
  wake(stream?: string): void {
    if (stream !== undefined) this.#streams.get(stream)?.upstream?.wake();
    else for (const { upstream } of this.#streams.values()) upstream?.wake();
  }

  /** Ends every stream and tells the viewers. */
  close(reason: CloseReason): void {
    clearInterval(this.#timer);
    clearInterval(this.#lifeTimer);
    for (const stream of this.list()) stream.end(reason);
  }

  #begin(
    name: StreamName,
    client: PublishingClient,
    revoke: (reason: CloseReason) => void,
    claim: StreamClaim,
    protocol: ConnectionProtocol,
    backup: boolean,
  ): Publication {
    const stream = this.#streamFor(name);
    const connection = client.connection ? undefined : this.openPublisher(name, client, revoke, protocol);
    const idle = idleClock(client.socket);
    const publisher: LocalPublisher = { epoch: claim.epoch, backup, revoke, idleMs: idle };
    stream.setPublisher(publisher);
    const { input } = stream;
    return {
      push: (media) => {
        if (stream.publisher === publisher) input.push(media, input.nextSequence);
      },
      end: (reason) => {
        connection?.close(reason);
        claim.release(reason);
        stream.publisherGone(publisher);
      },
    };
  }

  /** Enters a publisher into the book. */
  openPublisher(
    name: StreamName,
    { socket, userAgent }: PublishingClient,
    revoke: (reason: CloseReason) => void,
    protocol: ConnectionProtocol,
  ): OpenConnection {
    return this.#options.connections.open({
      role: 'publisher',
      protocol,
      app: name.app,
      stream: name.name,
      session: name.query.get('session') ?? '',
      kick: (reason = 'kicked') => revoke(reason),
      socket,
      userAgent,
    });
  }

  #attach(
    name: StreamName,
    client: ClientInfo,
    transport: ViewerTransport,
    protocol: ConnectionProtocol,
    hops: number,
  ): Playback {
    const stream = this.#streamFor(name);
    const isRelay = transport.encoding === 'relay';
    let connection: OpenConnection | undefined;
    const begin = (tracks: { hasAudio: boolean; hasVideo: boolean }) => {
      connection ??= this.#options.connections.open({
        role: isRelay ? 'relay' : 'viewer',
        protocol,
        app: name.app,
        stream: name.name,
        session: name.query.get('session') ?? '',
        kick(reason = 'kicked') {
          // Nothing may be written behind its last words.
          stream.detach(viewer);
          transport.end(reason);
        },
        ...client,
      });
      transport.begin(tracks, { connection: connection.id, timestampMs: stream.hub.newestTimestampMs });
    };
    const viewer = new Viewer({
      socket: transport.socket,
      encoding: transport.encoding,
      begin,
      end: (reason) => transport.end(reason),
    });
    // A node is answered at once: it counts what it hears from us, and tries the next one when that is nothing.
    if (isRelay) begin({ hasAudio: true, hasVideo: true });
    stream.attach(viewer, hops);
    return {
      end: (reason) => {
        if (connection) connection.framesDropped = viewer.framesDropped;
        connection?.close(reason);
        stream.detach(viewer);
      },
      pause: (paused) => {
        viewer.paused = paused;
        viewer.awaitsKey = true;
      },
    };
  }

  #streamFor({ app, name }: StreamName): LiveStream {
    const key = streamKey({ app, name });
    const known = this.#streams.get(key);
    if (known) return known;
    const stream: LiveStream = new LiveStream({
      hub: { ...this.#options.hub(app), app, name },
      times: this.#options.times,
      openUpstream: this.#options.openUpstream,
      standIn: this.#options.standIn,
      onUnused: (unused) => {
        if (this.#streams.get(key) !== unused) return;
        this.#framesDropped += unused.hub.framesDropped;
        this.#streams.delete(key);
      },
    });
    this.#streams.set(key, stream);
    return stream;
  }

  #sweep(nowMs: number): void {
    for (const stream of this.list()) {
      stream.hub.sweep(nowMs);
      const { publisher } = stream;
      if (publisher && publisher.idleMs(nowMs) >= this.#options.idleTimeoutMs) publisher.revoke('idle');
    }
  }
}

/** Time since the socket last brought anything, as exact as it is asked often (at least once a second by the sweep). */
function idleClock(socket: CountedSocket): (nowMs: number) => number {
  let bytes = socket.bytesRead;
  let sinceMs = Date.now();
  return (nowMs) => {
    if (socket.bytesRead !== bytes) {
      bytes = socket.bytesRead;
      sinceMs = nowMs;
    }
    return nowMs - sinceMs;
  };
}
