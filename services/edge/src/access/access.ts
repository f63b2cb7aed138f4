/**
 * Who may connect, publish and play on this node: the lists of checks in their order, built from the configuration and
 * built anew when it changes. Before it: listeners and sessions of every protocol; after it: the streams.
 *
 *   socket:  address lists → connect rate → connections of the address → room on the node
 *   connect: callback (RTMP)
 *   stream:  address lists → keys and signatures → quota of the app → viewers of the stream → callback
 */
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Config } from '@weir/contracts/config/schema';
import type { CloseReason } from '@weir/contracts/events';
import type { Logger } from '@weir/contracts/logger';
import type { ComingSocket } from '../stream/connections.ts';
import { addressCheck, plainAddress } from './address.ts';
import { BitrateGuard, type StreamTraffic } from './bitrate-guard.ts';
import { type CallbackBody, Callbacks } from './callbacks.ts';
import {
  type AccessRequest,
  type Caller,
  firstRefusal,
  type Refusal,
  type SocketCheck,
  type StreamCheck,
} from './check.ts';
import { connectRateCheck } from './connect-rate.ts';
import { keyCheck } from './keys.ts';
import { Ledger } from './ledger.ts';
import { type OtherNodes, QuotaKeeper } from './quota-keeper.ts';
import { type AppQuota, type AppUse, parseQuotas } from './quotas.ts';
import type { OwnUsage } from './shared-usage.ts';

/** The parts of the configuration that are about access; all of them can change while the node runs. */
export type AccessConfig = Pick<Config, 'access' | 'callbacks' | 'limits'>;

/** Options of {@link Access}. */
export interface AccessOptions {
  config: Readonly<AccessConfig>;
  /** Name of this node. */
  node: string;
  /** Takes a place on the node for a socket until it closes; a refusal when it is full. */
  room: (socket: ComingSocket) => Refusal | undefined;
  /** The node's streams, for the bitrates of publishers. */
  streams: () => readonly StreamTraffic[];
  /** What viewers of each app were sent, bytes since the node started. */
  sentBytes: () => Iterable<readonly [app: string, bytes: number]>;
  /** True when a publisher that comes now takes the place of the present one of its stream, on whatever node. */
  takesOver: (request: AccessRequest) => Promise<boolean>;
  /** What apps use on the other nodes. */
  others: OtherNodes;
  logger: Logger;
}

/** The right to publish or play. Its holder says when it is over. */
export interface Grant {
  /** Gives the place back and tells the callback server; later calls do nothing. */
  end(reason: CloseReason): void;
  /** Set by its holder: takes the client off, because its place is withdrawn (its app is over the quota). */
  onWithdrawn?: (reason: CloseReason) => void;
}

/** What an app uses of its quota. */
export interface AppUsage {
  here: AppUse;
  /** On all nodes, as far as this one knows. */
  everywhere: AppUse;
  quota: AppQuota;
}

/** Everything that a configuration decides, built as a whole: a reload that fails leaves all as it was. */
interface Rules {
  socketChecks: readonly SocketCheck[];
  streamChecks: readonly StreamCheck[];
  callbacks: Callbacks;
}

/** What listeners and sessions ask. */
export interface Admission {
  /** A client connected (HTTP: asks for a stream). Takes its places until the socket closes. */
  admit(socket: ComingSocket): Refusal | undefined;
  /** An RTMP client sent `connect`. Resolves with undefined when it may go on. */
  connect(caller: Caller, app: string, query: URLSearchParams): Promise<Refusal | undefined>;
  /** A client wants to publish or play. Whoever is granted it must end the grant. */
  ask(request: AccessRequest): Promise<Grant | Refusal>;
}

/** One per node. */
export class Access implements Admission {
  readonly #options: AccessOptions;
  readonly #ledger: Ledger;
  readonly #bitrates: BitrateGuard;
  readonly #quotas: QuotaKeeper;
  #rules: Rules;

  /** @throws ConfigError for what cannot be used, see the checks. */
  constructor(options: AccessOptions) {
    this.#options = options;
    const { node, logger, streams, sentBytes, others } = options;
    const { connectionsPerIp, viewersPerStream, bitsPerPublisher, apps, appGraceMs: graceMs } = options.config.limits;
    const quotas = parseQuotas(apps);
    this.#rules = this.#build(options.config);
    const ledger = new Ledger({ connectionsPerIp, viewersPerStream });
    this.#ledger = ledger;
    this.#quotas = new QuotaKeeper({
      node,
      quotas,
      graceMs,
      ledger,
      sentBytes,
      others,
      onPutOut: (app, count) => logger.warn({ app, ...count }, 'an app is over its quota: its newest are put out'),
    });
    this.#bitrates = new BitrateGuard({ bitsPerPublisher, streams });
  }

  /** Puts another configuration in force; whoever is in stays in. @throws ConfigError, and the old one stays in force. */
  configure(config: Readonly<AccessConfig>): void {
    const { connectionsPerIp, viewersPerStream, bitsPerPublisher, apps, appGraceMs } = config.limits;
    const quotas = parseQuotas(apps);
    this.#rules = this.#build(config);
    this.#ledger.limits = { connectionsPerIp, viewersPerStream };
    this.#quotas.quotas = quotas;
    this.#quotas.graceMs = appGraceMs;
    this.#bitrates.bitsPerPublisher = bitsPerPublisher;
  }

  /** A client connected (HTTP: asks for a stream). Takes its places until the socket closes. */
  admit(socket: ComingSocket): Refusal | undefined {
    const address = plainAddress(socket.remoteAddress);
    for (const check of this.#rules.socketChecks) {
      const refusal = check(address);
      if (refusal) return refusal;
    }
    const place = this.#ledger.takeConnection(address);
    if ('refused' in place) return place;
    socket.once('close', () => place.release());
    const full = this.#options.room(socket);
    if (full) place.release();
    return full;
  }

  /** An RTMP client sent `connect`. Resolves with undefined when it may go on. */
  async connect(caller: Caller, app: string, query: URLSearchParams): Promise<Refusal | undefined> {
    const { callbacks } = this.#rules;
    if (!callbacks.wants('connect')) return undefined;
    return callbacks.ask({ event: 'connect', id: '', stream: '', ...this.#body(caller, app, query) });
  }

  /** A client wants to publish or play. Whoever is granted it must end the grant. */
  async ask(request: AccessRequest): Promise<Grant | Refusal> {
    const { streamChecks, callbacks } = this.#rules;
    const refusal = await firstRefusal(streamChecks, request);
    if (refusal) return refusal;
    // Nothing may come between looking for room and taking it; who takes over gets the place of the one that leaves.
    const full = this.#quotas.refusal(request);
    if (full && !(request.action === 'publish' && (await this.#options.takesOver(request)))) return full;
    const place = this.#ledger.takeRole(request);
    if ('refused' in place) return place;
    const { action, app, name, query } = request;
    const about = { id: randomUUID(), stream: name, ...this.#body(request, app, query) };
    const denied = await callbacks.ask({ event: action, ...about });
    if (denied) {
      place.release();
      return denied;
    }
    const startedMs = performance.now();
    let ended = false;
    const grant: Grant = {
      end: (reason) => {
        if (ended) return;
        ended = true;
        place.release();
        const durationMs = Math.round(performance.now() - startedMs);
        callbacks.tell({ ...about, event: 'close', action, reason, durationMs, timeMs: Date.now() });
      },
    };
    place.withdraw = (reason) => grant.onWithdrawn?.(reason);
    return grant;
  }

  /** What each app uses: those with a client here, and `more`. */
  apps(more: Iterable<string>): (AppUsage & { app: string })[] {
    const keeper = this.#quotas;
    return [...new Set([...this.#ledger.apps(), ...more])].map((app) => ({
      app,
      here: keeper.here(app),
      everywhere: keeper.everywhere(app),
      quota: keeper.quotas.of(app),
    }));
  }

  /** What this node tells the others of quotas. */
  get ownUsage(): OwnUsage {
    const quotas = this.#quotas;
    return { isNeeded: () => quotas.quotas.isAny, shares: () => quotas.shares() };
  }

  /** Asks and tells nothing any more. */
  close(): void {
    this.#bitrates.close();
    this.#quotas.close();
    this.#rules.callbacks.close();
  }

  #build({ access, callbacks, limits }: Readonly<AccessConfig>): Rules {
    const { connectsPerIp, connectsPerIpBurst } = limits;
    const byAddress = access.allow.length + access.deny.length > 0 ? addressCheck(access) : undefined;
    return {
      socketChecks: [
        ...(byAddress ? [byAddress] : []),
        ...(connectsPerIp > 0 ? [connectRateCheck(connectsPerIp, connectsPerIpBurst, () => performance.now())] : []),
      ],
      // Addresses once more: the lists may have changed since the client connected.
      streamChecks: [({ address }) => byAddress?.(address), keyCheck(access, () => Date.now() / 1_000)],
      callbacks: new Callbacks(callbacks, this.#options.logger),
    };
  }

  #body(caller: Caller, app: string, query: URLSearchParams): Omit<CallbackBody, 'event' | 'id' | 'stream'> {
    return {
      node: this.#options.node,
      protocol: caller.protocol,
      app,
      query: Object.fromEntries(query),
      clientAddress: caller.address,
      clientPort: caller.port,
      userAgent: caller.userAgent,
      timeMs: Date.now(),
    };
  }
}

/** The caller behind a socket. */
export function callerOf(socket: Socket, protocol: Caller['protocol'], userAgent: string): Caller {
  return { protocol, address: plainAddress(socket.remoteAddress), port: socket.remotePort ?? 0, userAgent };
}
