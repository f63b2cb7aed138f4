/**
 * Servers that are no members, as sources and targets of this node's streams (`relay.external`, `relay.push`): looks a few
 * times a second which streams are wanted and not published, and which are published here. Before it: the streams and the
 * directory; after it: one link per stream and target.
 *
 * Pulled is what somebody watches here and nobody publishes in the cluster, once for the whole cluster: who pulls it claims
 * its name. Pushed is what is published on this node, by it alone; so each stream is pushed once, wherever it moves.
 */
import type { Logger } from '@weir/contracts/logger';
import type { ExternalLink } from '@weir/contracts/nats/control';
import type { Directory } from '../cluster/directory.ts';
import { streamKey } from '../rtmp/names.ts';
import type { Protocol } from '../rtmp/protocol.ts';
import type { MediaSnapshot } from '../stats.ts';
import type { Connections } from '../stream/connections.ts';
import type { LiveStream } from '../stream/live-stream.ts';
import type { Streams } from '../stream/streams.ts';
import { External } from './external-link.ts';
import { pullExternal } from './external-pull.ts';
import { pushExternal } from './external-push.ts';
import { type ExternalRule, targetsOf } from './external-rules.ts';
import type { ExternalTrust } from './external-trust.ts';

/** Options of {@link Externals}. */
export interface ExternalsOptions {
  node: string;
  pulls: readonly ExternalRule[];
  pushes: readonly ExternalRule[];
  streams: Streams;
  directory: Directory;
  connections: Connections;
  protocol: Protocol;
  /** For rtmps://. */
  tls: ExternalTrust;
  maxMessageBytes: number;
  connectTimeoutMs: number;
  /** A server that sends nothing for so long is left. */
  stallTimeoutMs: number;
  /** A pull ends this long after its last viewer. */
  lingerMs: number;
  /** Bytes queued for a target above which messages are dropped. */
  queueBytes: number;
  logger: Logger;
}

const LOOK_MS = 250;

interface Pulled {
  link: External;
  /** Since when nobody watches it, Unix ms; 0 = somebody does. */
  unusedSinceMs: number;
}

/** One per node. */
export class Externals {
  readonly #options: ExternalsOptions;
  readonly #pulled = new Map<string, Pulled>();
  /** By stream and rule. */
  readonly #pushed = new Map<string, Map<ExternalRule, External>>();
  readonly #failures = { pull: 0, push: 0 };
  readonly #timer: NodeJS.Timeout | undefined;
  #dropped = 0;

  constructor(options: ExternalsOptions) {
    this.#options = options;
    if (options.pulls.length + options.pushes.length > 0)
      this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  /** How every link stands. */
  status(): ExternalLink[] {
    const pushed = [...this.#pushed.values()].flatMap((links) => [...links.values()]);
    return [...[...this.#pulled.values()].map(({ link }) => link), ...pushed].map(({ status }) => status);
  }

  /** The links' part of a snapshot. */
  snapshot(): Pick<MediaSnapshot, 'externals'> {
    const links = new Map<string, number>();
    for (const { direction, state } of this.status()) {
      const key = `${direction} ${state}`;
      links.set(key, (links.get(key) ?? 0) + 1);
    }
    return {
      externals: {
        links: [...links].map(([key, count]) => {
          const [direction, state] = key.split(' ') as [ExternalLink['direction'], ExternalLink['state']];
          return { direction, state, count };
        }),
        failures: (['pull', 'push'] as const).map((direction) => ({ direction, count: this.#failures[direction] })),
        framesDropped: this.#dropped,
      },
    };
  }

  close(): void {
    clearInterval(this.#timer);
    for (const { link } of this.#pulled.values()) link.close();
    for (const links of this.#pushed.values()) for (const link of links.values()) link.close();
  }

  #look(): void {
    const streams = this.#options.streams.list();
    for (const stream of streams) {
      this.#lookAtPull(stream);
      if (stream.publisher) this.#push(stream);
    }
    for (const [key, links] of this.#pushed) {
      if (this.#options.streams.get(key)?.publisher) continue;
      for (const link of links.values()) link.close();
      this.#pushed.delete(key);
    }
    for (const [key, { link }] of this.#pulled) {
      if (this.#options.streams.get(key)) continue;
      link.close();
      this.#pulled.delete(key);
    }
  }

  #lookAtPull(stream: LiveStream): void {
    const key = streamKey(stream.hub);
    const pulled = this.#pulled.get(key);
    const isWanted = stream.hub.viewerCount > 0 || stream.hub.tapCount > (this.#pushed.get(key)?.size ?? 0);
    if (pulled) {
      pulled.unusedSinceMs = isWanted ? 0 : pulled.unusedSinceMs || Date.now();
      const isUnused = !isWanted && Date.now() - pulled.unusedSinceMs >= this.#options.lingerMs;
      if (!isUnused && (pulled.link.isLive || !this.#isPublished(stream))) return;
      pulled.link.close();
      this.#pulled.delete(key);
    } else if (isWanted && !this.#isPublished(stream) && stream.upstream?.state === 'waiting') this.#pull(stream);
  }

  #isPublished({ hub, publisher }: LiveStream): boolean {
    // A record of this node without a publisher is on its way out.
    const { directory, node } = this.#options;
    const holder = directory.publisherOf(streamKey(hub));
    return publisher !== undefined || (holder !== undefined && holder.node !== node);
  }

  #pull({ hub: { app, name } }: LiveStream): void {
    const { pulls, streams, protocol, tls, maxMessageBytes, connectTimeoutMs, stallTimeoutMs } = this.#options;
    const urls = pulls.flatMap((rule) => targetsOf(rule, { app, name }));
    if (urls.length === 0) return;
    const stream = { app, name, query: new URLSearchParams() };
    const settings = { stream, streams, protocol, tls, maxMessageBytes, connectTimeoutMs, stallTimeoutMs };
    const link = this.#link('pull', streamKey(stream), urls, (talk) => pullExternal({ ...talk, ...settings }));
    this.#pulled.set(streamKey(stream), { link, unusedSinceMs: 0 });
  }

  #push({ hub }: LiveStream): void {
    const { pushes, connections, protocol, tls, connectTimeoutMs, queueBytes } = this.#options;
    const key = streamKey(hub);
    for (const rule of pushes) {
      const urls = targetsOf(rule, hub);
      const links = this.#pushed.get(key) ?? new Map<ExternalRule, External>();
      if (urls.length === 0 || links.has(rule)) continue;
      const settings = { hub, protocol, tls, connectTimeoutMs, queueBytes };
      const counts = {
        onDropped: () => {
          this.#dropped += 1;
        },
        onBytes: (bytesOut: number) => connections.addIo('relay', 0, bytesOut),
      };
      links.set(
        rule,
        this.#link('push', key, urls, (talk) => pushExternal({ ...talk, ...settings, ...counts })),
      );
      this.#pushed.set(key, links);
    }
  }

  #link(
    direction: ExternalLink['direction'],
    stream: string,
    urls: ReturnType<typeof targetsOf>,
    talk: ConstructorParameters<typeof External>[0]['talk'],
  ): External {
    const onFailed = () => {
      this.#failures[direction] += 1;
    };
    return new External({ stream, direction, urls, talk, onFailed, logger: this.#options.logger });
  }

  /** True when a rule says where `app/name` could be pulled from. */
  knows(stream: string): boolean {
    const slash = stream.indexOf('/');
    const named = { app: stream.slice(0, slash), name: stream.slice(slash + 1) };
    return this.#options.pulls.some((rule) => targetsOf(rule, named).length > 0);
  }
}
