/**
 * An RTMP client for publishing and playing: the relay's pull, the demo publisher, the load generator and the tests use
 * this one. Before it: host, port and stream name; after it: messages to `onMessage`, or messages given to `send`.
 */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { errorMessage, WeirError } from '@weir/contracts/errors';
import { type AmfObject, type AmfValue, asAmfObject, decodeAmf } from './amf0.ts';
import { ProtocolError } from './errors.ts';
import { type RtmpMessage, TYPE } from './message.ts';
import { RtmpPeer } from './peer.ts';
import { Protocol } from './protocol.ts';

/** What a status message or a refusal says. */
export interface RtmpStatus {
  level: string;
  /** `NetStream.Play.Start` … */
  code: string;
  description: string;
  /** Of a request to reconnect: where to, when not to the same. */
  tcUrl?: string;
}

/** Options of {@link RtmpClient.connect}. */
export interface RtmpClientOptions {
  host: string;
  port: number;
  app: string;
  /** RTMPS: RTMP within TLS. Default false. */
  secure?: boolean;
  /** Whose certificates are trusted. Default: those signed by a CA that Node brings along, for this host. */
  tls?: Pick<ConnectionOptions, 'ca' | 'rejectUnauthorized'>;
  /** A socket that is connecting already (the load generator's read in a way of their own); default: a new one. */
  socket?: Socket;
  /** Shared by many clients; default: one of its own (a megabyte). */
  protocol?: Protocol;
  /** Time for TCP, handshake and `connect`, and then for `publish` or `play` to be answered. Default 5,000. */
  timeoutMs?: number;
  /** Largest message accepted. Default 16,777,215. */
  maxMessageBytes?: number;
  /** Default 65,536. */
  chunkSizeBytes?: number;
  /** `capsEx` of Enhanced RTMP v2: 1 = it obeys a request to reconnect. Default: none is said. */
  capsEx?: number;
  signal?: AbortSignal;
  /** Audio, video and data messages, in order. The payload belongs to the receiver. */
  onMessage?: (message: RtmpMessage) => void;
  /** Status messages after the one that answered `publish` or `play`. */
  onStatus?: (status: RtmpStatus) => void;
  /** The connection ended, by whomever; called once, after a successful {@link RtmpClient.connect} only. */
  onClose?: (error: Error | undefined) => void;
}

/** The server refused, or broke off; `status` holds its words when it had any. */
export class RtmpClientError extends WeirError {
  readonly status: RtmpStatus | undefined;

  constructor(code: string, message: string, options: { status?: RtmpStatus | undefined; cause?: unknown } = {}) {
    super(code, message, { retryable: true, cause: options.cause });
    this.name = 'RtmpClientError';
    this.status = options.status;
  }
}

const WINDOW_BYTES = 5_000_000;
const MAX_MESSAGE_BYTES = 16_777_215;
const STREAM_ID = 1;
const REFUSED = new Set([
  'NetStream.Play.StreamNotFound',
  'NetStream.Play.Failed',
  'NetStream.Publish.BadName',
  'NetStream.Publish.Denied',
]);

interface Waiting {
  resolve(value: AmfValue): void;
  reject(error: Error): void;
}

/** One connection with one stream on it. */
export class RtmpClient {
  readonly socket: Socket;
  readonly #options: RtmpClientOptions;
  readonly #peer: RtmpPeer;
  readonly #answers = new Map<number, Waiting>();
  #started: Waiting | undefined;
  #ready: Waiting | undefined;
  #transaction = 0;
  #streamId = STREAM_ID;
  /** TCP stands, and TLS does not yet. */
  #isSecuring = false;
  #connected = false;
  #error: Error | undefined;

  /** Connects and is answered, so that `publish` or `play` can follow. @throws RtmpClientError, or what the socket says. */
  static async connect(options: RtmpClientOptions): Promise<RtmpClient> {
    const client = new RtmpClient(options);
    try {
      await client.#within('EDGE_RTMP_CONNECT_TIMEOUT', client.#open());
    } catch (error) {
      client.close();
      throw error;
    }
    client.#connected = true;
    return client;
  }

  private constructor(options: RtmpClientOptions) {
    this.#options = options;
    this.socket = options.socket ?? openSocket(options);
    this.#peer = new RtmpPeer({
      socket: this.socket,
      protocol: options.protocol ?? new Protocol(),
      side: 'client',
      maxMessageBytes: options.maxMessageBytes ?? MAX_MESSAGE_BYTES,
      chunkSizeBytes: options.chunkSizeBytes ?? 65_536,
      handlers: {
        ready: () => this.#ready?.resolve(null),
        message: (message) => this.#receive(message),
        fault: (error) => this.#fail(error instanceof Error ? error : new Error(String(error))),
      },
    });
    const abort = () => this.#fail(new RtmpClientError('EDGE_RTMP_ABORTED', `${this.#where} was called off.`));
    if (options.signal?.aborted) queueMicrotask(abort);
    else options.signal?.addEventListener('abort', abort, { once: true });
    this.socket.on('error', (error) => this.#fail(this.#isSecuring ? this.#untrusted(error) : error));
    this.socket.on('close', () => {
      options.signal?.removeEventListener('abort', abort);
      this.#fail(new RtmpClientError('EDGE_RTMP_CLOSED', `${this.#where} closed the connection.`));
      if (this.#connected) options.onClose?.(this.#error);
    });
  }

  /** Asks for a stream; resolves when the server says that it starts. @throws RtmpClientError with the server's status. */
  async play(name: string): Promise<void> {
    await this.#start('play', name, -2_000);
  }

  /** Publishes under `name`; resolves when the server allows it. @throws RtmpClientError with the server's status. */
  async publish(name: string): Promise<void> {
    this.#call(0, 'releaseStream', null, name).catch(ignore);
    this.#call(0, 'FCPublish', null, name).catch(ignore);
    await this.#start('publish', name, 'live');
  }

  /**
   * Sends one media message (`type` of message.ts; timestamp in ms modulo 2^32).
   * @returns false when the socket's buffer is over its mark: wait for `drain` of {@link socket}, or drop.
   */
  send(type: number, timestamp: number, payload: Buffer): boolean {
    this.#peer.sendMessage({ type, streamId: this.#streamId, timestamp, payload });
    return !this.socket.writableNeedDrain;
  }

  /** Ends the connection at once; what is queued is lost. May be called more than once. */
  close(): void {
    this.#peer.stop();
    this.socket.destroy();
  }

  /** Says good-bye (`FCUnpublish`, `deleteStream`), flushes and ends the connection. */
  async end(name?: string): Promise<void> {
    if (this.socket.destroyed) return;
    if (name !== undefined) this.#peer.command(0, 'FCUnpublish', 0, null, name);
    this.#peer.command(0, 'deleteStream', 0, null, this.#streamId);
    const closed = new Promise<void>((resolve) => this.socket.once('close', () => resolve()));
    this.socket.end(() => this.socket.destroySoon());
    await closed;
  }

  get #where(): string {
    const { secure, host, port, app } = this.#options;
    return `rtmp${secure ? 's' : ''}://${host}:${port}/${app}`;
  }

  /** Errors of TLS say what is wrong with a certificate, and not whose it is. */
  #untrusted(error: Error): Error {
    const message = `${this.#where} cannot be talked to by TLS: ${errorMessage(error)}.`;
    return new RtmpClientError('EDGE_RTMP_TLS', message, { cause: error });
  }

  async #open(): Promise<void> {
    const secure = this.#options.secure === true;
    await new Promise<AmfValue>((resolve, reject) => {
      this.#ready = { resolve, reject };
      this.socket.once('connect', () => {
        this.#isSecuring = secure;
        if (!secure) this.#peer.sayHello();
      });
      this.socket.once('secureConnect', () => {
        this.#isSecuring = false;
        this.#peer.sayHello();
      });
    });
    const { host, port, app, capsEx } = this.#options;
    this.socket.cork();
    this.#peer.announceWindow(WINDOW_BYTES);
    this.#peer.announceChunkSize();
    const answer = this.#call(0, 'connect', {
      app,
      flashVer: 'LNX 9,0,124,2',
      tcUrl: `rtmp${secure ? 's' : ''}://${host.includes(':') ? `[${host}]` : host}:${port}/${app}`,
      fpad: false,
      capabilities: 15,
      audioCodecs: 4071,
      videoCodecs: 252,
      videoFunction: 1,
      ...(capsEx === undefined ? {} : { capsEx }),
    });
    this.socket.uncork();
    await answer;
  }

  async #start(command: 'play' | 'publish', name: string, argument: AmfValue): Promise<void> {
    await this.#within(
      'EDGE_RTMP_ANSWER_TIMEOUT',
      (async () => {
        const id = await this.#call(0, 'createStream', null);
        if (typeof id === 'number') this.#streamId = id;
        const started = new Promise<AmfValue>((resolve, reject) => {
          this.#started = { resolve, reject };
        });
        this.#peer.command(this.#streamId, command, this.#nextTransaction(), null, name, argument);
        await started;
      })(),
    );
  }

  async #within(code: string, work: Promise<void>): Promise<void> {
    const timeoutMs = this.#options.timeoutMs ?? 5_000;
    const timer = setTimeout(
      () => this.#fail(new RtmpClientError(code, `${this.#where} did not answer within ${timeoutMs} ms.`)),
      timeoutMs,
    );
    try {
      await work;
    } finally {
      clearTimeout(timer);
    }
  }

  #call(streamId: number, name: string, ...values: AmfValue[]): Promise<AmfValue> {
    const transaction = this.#nextTransaction();
    return new Promise((resolve, reject) => {
      if (this.#error) {
        reject(this.#error);
        return;
      }
      this.#answers.set(transaction, { resolve, reject });
      this.#peer.command(streamId, name, transaction, ...values);
    });
  }

  #nextTransaction(): number {
    this.#transaction += 1;
    return this.#transaction;
  }

  #receive(message: RtmpMessage): void {
    const { type } = message;
    if (type === TYPE.command || type === TYPE.commandAmf3) {
      this.#command(decodeAmf(type === TYPE.command ? message.payload : message.payload.subarray(1)));
    } else this.#options.onMessage?.(message);
  }

  #command([name, transaction, , info]: AmfValue[]): void {
    if (name === '_result' || name === '_error') {
      const waiting = this.#answers.get(Number(transaction));
      this.#answers.delete(Number(transaction));
      if (name === '_result') waiting?.resolve(info);
      else waiting?.reject(this.#refusal(toStatus(asAmfObject(info))));
    } else if (name === 'onStatus') this.#status(toStatus(asAmfObject(info)));
  }

  #status(status: RtmpStatus): void {
    const started = this.#started;
    if (!started) {
      this.#options.onStatus?.(status);
    } else if (status.level === 'error' || REFUSED.has(status.code)) {
      this.#started = undefined;
      started.reject(this.#refusal(status));
    } else if (status.code === 'NetStream.Play.Start' || status.code === 'NetStream.Publish.Start') {
      this.#started = undefined;
      started.resolve(null);
    }
  }

  #refusal(status: RtmpStatus): RtmpClientError {
    return new RtmpClientError('EDGE_RTMP_REFUSED', `${this.#where} refused: ${status.code} ${status.description}`, {
      status,
    });
  }

  #fail(error: Error): void {
    this.#error ??= error;
    for (const waiting of [this.#ready, this.#started, ...this.#answers.values()]) waiting?.reject(error);
    this.#answers.clear();
    this.#started = undefined;
    if (error instanceof ProtocolError || !this.socket.destroyed) this.socket.destroy();
  }
}

function openSocket({ secure = false, host, port, tls }: RtmpClientOptions): Socket {
  if (!secure) return connectTcp({ host, port, noDelay: true });
  // An address is no server name (RFC 6066, section 3).
  const servername = isIP(host) === 0 ? { servername: host } : {};
  const socket = connectTls({ host, port, ...servername, minVersion: 'TLSv1.2', ...tls });
  return socket.setNoDelay();
}

function toStatus(info: AmfObject | undefined): RtmpStatus {
  const text = (value: AmfValue) => (typeof value === 'string' ? value : '');
  const status = { level: text(info?.level), code: text(info?.code), description: text(info?.description) };
  return info?.tcUrl === undefined ? status : { ...status, tcUrl: text(info.tcUrl) };
}

function ignore(): void {}
