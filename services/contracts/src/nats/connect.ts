/**
 * The one way every part connects to NATS. A handle is had at once and connects in the background for ever, because
 * media must run without NATS; a command that can't go on without NATS waits with {@link NatsHandle.ready}.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  AuthorizationError,
  connect,
  credsAuthenticator,
  type NatsConnection,
  type NodeConnectionOptions,
  UserAuthenticationExpiredError,
} from '@nats-io/transport-node';
import type { Config } from '../config/schema.ts';
import { ConfigError, errorCode, errorMessage, WeirError } from '../errors.ts';
import type { Logger } from '../logger.ts';

/** Where a handle stands; `down` has been connected before or is still trying, `closed` is final. */
export type NatsState = 'connecting' | 'connected' | 'down' | 'closed';

/** A connection to NATS that comes and goes. */
export interface NatsHandle {
  readonly state: NatsState;
  /**
   * The connection, or undefined until there has been one. It may be down at the moment and comes back by itself
   * with its subscriptions. Ask anew before each use: one that NATS closed for good is replaced.
   */
  readonly connection: NatsConnection | undefined;
  /**
   * Resolves with the connection as soon as NATS answers.
   * @param timeoutMs undefined = waits for ever.
   * @throws WeirError `NATS_AUTH` at once when the credentials are refused and a timeout was given;
   *   `NATS_UNREACHABLE` when the time is up; `NATS_CLOSED` when the handle was closed.
   */
  ready(timeoutMs?: number): Promise<NatsConnection>;
  /** Calls `listener` on each change of the state; returns how to stop that. */
  onChange(listener: (state: NatsState) => void): () => void;
  /**
   * What must be through before the connection closes: a consumer that is being set up when that happens leaves a timer of
   * the library running, which nobody can stop and which keeps the process alive.
   */
  settles<T>(work: Promise<T>): Promise<T>;
  /** Waits for what {@link settles}, sends what is buffered (both in at most 2 s), then closes; may be called more than once. */
  close(): Promise<void>;
}

const DIAL_TIMEOUT_MS = 3_000;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 2_000;
/** Two pings without an answer and the server counts as gone: a silent one is noticed within 15 s. */
const PING_INTERVAL_MS = 5_000;
const DRAIN_TIMEOUT_MS = 2_000;

/**
 * A handle that connects as `name` (shown by NATS' monitoring) and keeps connected.
 * Changes of state are logged once each, not every attempt.
 * @throws ConfigError `NATS_CREDS_FILE` when the credentials file cannot be read.
 */
export function connectNats(config: Config['nats'], name: string, logger: Logger): NatsHandle {
  return new Handle(config, name, logger);
}

class Handle implements NatsHandle {
  state: NatsState = 'connecting';
  connection: NatsConnection | undefined;
  readonly #config: Config['nats'];
  readonly #logger: Logger;
  readonly #options: NodeConnectionOptions;
  readonly #listeners = new Set<(state: NatsState) => void>();
  readonly #unsettled = new Set<Promise<unknown>>();
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #lastError: unknown;
  #downSinceMs = Date.now();

  constructor(config: Config['nats'], name: string, logger: Logger) {
    this.#config = config;
    this.#logger = logger;
    this.#options = {
      ...credentials(config),
      servers: config.servers,
      name,
      timeout: DIAL_TIMEOUT_MS,
      maxReconnectAttempts: -1,
      ignoreAuthErrorAbort: true,
      noAsyncTraces: true,
      pingInterval: PING_INTERVAL_MS,
      maxPingOut: 2,
      reconnectDelayHandler: () => this.#retryDelayMs(),
    };
    this.#running = this.#run();
  }

  async ready(timeoutMs?: number): Promise<NatsConnection> {
    const isSettled = () =>
      this.state === 'connected' || this.state === 'closed' || (timeoutMs !== undefined && isRefused(this.#lastError));
    if (!isSettled()) await this.#settled(isSettled, timeoutMs);
    if (this.state === 'connected' && this.connection) return this.connection;
    if (this.state === 'closed')
      throw new WeirError('NATS_CLOSED', 'The connection to NATS was closed by this process.');
    throw this.#explain(this.#lastError);
  }

  onChange(listener: (state: NatsState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async settles<T>(work: Promise<T>): Promise<T> {
    this.#unsettled.add(work);
    try {
      return await work;
    } finally {
      this.#unsettled.delete(work);
    }
  }

  async close(): Promise<void> {
    if (this.state !== 'closed') {
      const wasConnected = this.state === 'connected';
      this.#become('closed');
      this.#stop.abort();
      const connection = this.connection;
      if (connection && !connection.isClosed()) {
        if (wasConnected) {
          const drained = Promise.allSettled(this.#unsettled).then(() => connection.drain());
          await Promise.race([drained.catch(() => {}), sleep(DRAIN_TIMEOUT_MS, undefined, { ref: false })]);
        }
        await connection.close();
      }
    }
    // a dial under way ends by its own timeout and closes what it opened
    if (this.connection) await this.#running;
  }

  /** Connects until the handle is closed; a connection ends only by {@link close} or a protocol error. */
  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        const connection = await connect(this.#options);
        if (this.#stop.signal.aborted) return await connection.close();
        this.connection = connection;
        this.#isUp(connection.getServer());
        const following = this.#follow(connection);
        const reason = await connection.closed();
        await following;
        if (!this.#stop.signal.aborted) this.#isDown(reason);
      } catch (error) {
        this.#isDown(error);
        await sleep(this.#retryDelayMs(), undefined, { signal: this.#stop.signal }).catch(() => {});
      }
    }
  }

  /** Turns what the library reports of `connection` into states; returns when it is closed. */
  async #follow(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (this.#stop.signal.aborted) return;
      if (status.type === 'reconnect') this.#isUp(status.server);
      else if (status.type === 'disconnect') this.#isDown(undefined);
      else if (status.type === 'error' && isRefused(status.error)) this.#isDown(status.error);
    }
  }

  #isUp(server: string): void {
    this.#lastError = undefined;
    if (this.state === 'connected' || this.state === 'closed') return;
    this.#logger.info({ server, afterMs: Date.now() - this.#downSinceMs }, 'connected to NATS');
    this.#become('connected');
  }

  #isDown(error: unknown): void {
    if (this.state === 'closed') return;
    const isNews = this.state !== 'down' || isRefused(error) !== isRefused(this.#lastError);
    if (this.state === 'connected') this.#downSinceMs = Date.now();
    if (error !== undefined || !isRefused(this.#lastError)) this.#lastError = error;
    if (!isNews) return;
    const explained = this.#explain(this.#lastError);
    this.#logger.warn({ code: explained.code, servers: this.#config.servers }, explained.message);
    this.#become('down');
  }

  #become(state: NatsState): void {
    this.state = state;
    for (const listener of this.#listeners) listener(state);
  }

  /** Soon after a loss, later up to {@link RETRY_MAX_MS}, never in step with the other nodes. */
  #retryDelayMs(): number {
    const waitedMs = Date.now() - this.#downSinceMs;
    const delayMs = Math.min(RETRY_MAX_MS, Math.max(RETRY_MIN_MS, waitedMs / 4));
    return delayMs * (0.75 + Math.random() / 2);
  }

  #settled(isSettled: () => boolean, timeoutMs: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        stopListening();
        resolve();
      };
      const stopListening = this.onChange(() => isSettled() && done());
      const timer = timeoutMs === undefined ? undefined : setTimeout(done, timeoutMs);
    });
  }

  #explain(error: unknown): WeirError {
    const servers = this.#config.servers.join(', ');
    const cause = error === undefined ? {} : { cause: error };
    if (isRefused(error)) {
      const who = this.#config.user === '' ? 'the credentials' : `the credentials of user "${this.#config.user}"`;
      const message = `NATS at ${servers} refused ${who}; check nats.user, nats.password, nats.token and nats.credsFile.`;
      return new WeirError('NATS_AUTH', message, { ...cause, retryable: true });
    }
    const why = error === undefined ? '' : ` (${errorMessage(error)})`;
    const message = `NATS does not answer at ${servers}${why}; check that it runs and nats.servers; trying on.`;
    return new WeirError('NATS_UNREACHABLE', message, { ...cause, retryable: true });
  }
}

function isRefused(error: unknown): boolean {
  return error instanceof AuthorizationError || error instanceof UserAuthenticationExpiredError;
}

function credentials(config: Config['nats']): NodeConnectionOptions {
  if (config.credsFile !== '') return { authenticator: credsAuthenticator(newestCreds(config.credsFile)) };
  if (config.token !== '') return { token: config.token };
  return config.user === '' ? {} : { user: config.user, pass: config.password };
}

/** Reads the file anew for each connection, so that credentials are exchanged without a restart; the last good ones count. */
function newestCreds(path: string): () => Uint8Array {
  let creds = readCreds(path);
  return () => {
    try {
      creds = readCreds(path);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
    }
    return creds;
  };
}

function readCreds(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    const why = errorCode(error) ?? errorMessage(error);
    throw new ConfigError(
      'NATS_CREDS_FILE',
      `The NATS credentials file ${path} cannot be read (${why}); check nats.credsFile.`,
      {
        cause: error,
      },
    );
  }
}
