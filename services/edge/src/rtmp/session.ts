/**
 * One RTMP client of this node: commands in, answers out (RTMP 1.0 §7.2), and the time it has for each step. Before it:
 * rtmp/server.ts and the peer; after it: its one stream (net-stream.ts).
 *
 *   connecting ──allowed──▶ connected ──publish, play──▶ has a role
 *                               ▲──────── deleteStream ───────┘
 */
import type { Socket } from 'node:net';
import type { CloseReason } from '@weir/contracts/events';
import type { Refusal } from '../access/check.ts';
import { MEDIA_STREAM_ID } from '../stream/encoding.ts';
import { type AmfObject, type AmfValue, asAmfObject, decodeAmf } from './amf0.ts';
import { ProtocolError } from './errors.ts';
import { sayLastWords } from './last-words.ts';
import { type RtmpMessage, TYPE } from './message.ts';
import { parseApp } from './names.ts';
import { NetStream } from './net-stream.ts';
import { RtmpPeer } from './peer.ts';
import { type ReconnectRequest, reconnectStatus } from './reconnect.ts';
import type { ClientInfo, SessionOptions } from './session-host.ts';

/** Commands of a client that does not wait for the answer to its connect, kept until there is one. */
const MAX_EARLY_COMMANDS = 16;
/** Commands are small; media is allowed once a publisher was let in. */
const MAX_COMMAND_BYTES = 65_536;
const WINDOW_BYTES = 5_000_000;
/** `capsEx` of connect (Enhanced RTMP v2): the client obeys ReconnectRequest. */
const CAPS_EX_RECONNECT = 0x01;
/** A refused client gets so long to read why before the socket is destroyed. */
const LAST_WORDS_MS = 2_000;

/** See the head of the file. Owns its socket: it ends when the socket does, and the other way round. */
export class RtmpSession {
  readonly #options: SessionOptions;
  readonly #socket: Socket;
  readonly #peer: RtmpPeer;
  readonly #stream: NetStream;
  #timer: NodeJS.Timeout | undefined;
  #app: string | undefined;
  /** Commands that came while connect was being asked about; undefined when it is not. */
  #early: { streamId: number; values: AmfValue[] }[] | undefined;
  #userAgent = '';
  /** What the client connected to, if it said that it obeys a request to reconnect. */
  #reconnectsFrom: string | undefined;
  #createdStream = false;
  #hadRole = false;
  #ending: CloseReason | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#socket = options.socket;
    this.#peer = new RtmpPeer({
      socket: options.socket,
      protocol: options.protocol,
      side: 'server',
      maxMessageBytes: MAX_COMMAND_BYTES,
      chunkSizeBytes: options.chunkSizeBytes,
      handlers: {
        ready: () => {},
        message: (message) => this.#receive(message),
        fault: (error) => this.#fault(error),
      },
    });
    this.#stream = new NetStream({
      ...options,
      peer: this.#peer,
      app: () => this.#app ?? '',
      client: () => this.#client,
      ending: () => this.#ending,
      close: (reason) => this.#close(reason),
      gotRole: () => this.#gotRole(),
      waits: () => clearTimeout(this.#timer),
      lostRole: () => this.#expectRole(),
    });
    this.#expectRole();
    this.#socket.on('error', () => this.#finish('client-reset'));
    this.#socket.on('close', () => this.#finish('client-closed'));
  }

  /** Ends the session: tells the client when it has a role, then closes. */
  close(reason: CloseReason): void {
    this.#close(reason);
  }

  /** Asks the client to connect anew; false when it has not said that it knows how, or has no role yet. */
  askToReconnect(request: ReconnectRequest, turn: number): boolean {
    if (this.#reconnectsFrom === undefined || !this.#stream.role || this.#ending) return false;
    this.#peer.command(0, 'onStatus', 0, null, reconnectStatus(this.#reconnectsFrom, request, turn));
    return true;
  }

  /** A client without a role has so long to get one. */
  #expectRole(): void {
    clearTimeout(this.#timer);
    const timer = setTimeout(() => this.#close(this.#silent ? 'silent' : 'idle'), this.#options.handshakeTimeoutMs);
    this.#timer = timer.unref();
  }

  get #silent(): boolean {
    return this.#socket.bytesRead === 0;
  }

  #receive(message: RtmpMessage): void {
    if (message.type === TYPE.command || message.type === TYPE.commandAmf3) this.#command(message);
    else this.#stream.media(message);
  }

  #command(message: RtmpMessage): void {
    const { payload, streamId } = message;
    const values = decodeAmf(message.type === TYPE.command ? payload : payload.subarray(1));
    if (!this.#early) this.#obey(streamId, values);
    else if (this.#early.push({ streamId, values }) > MAX_EARLY_COMMANDS) {
      throw new ProtocolError('COMMAND', 'Too many commands came before connect was answered.');
    }
  }

  #obey(streamId: number, values: readonly AmfValue[]): void {
    const [name, number, object, argument] = values;
    if (typeof name !== 'string') throw new ProtocolError('COMMAND', 'A command has no name.');
    const transaction = typeof number === 'number' ? number : 0;
    if (this.#app === undefined && name !== 'connect') {
      throw new ProtocolError('COMMAND', `The command "${name.slice(0, 40)}" came before connect.`);
    }
    switch (name) {
      case 'connect':
        this.#connect(transaction, asAmfObject(object)).catch((error: unknown) => this.#fault(error));
        return;
      case 'createStream':
        this.#createStream(transaction);
        return;
      case 'publish':
        this.#stream.publish(streamId, argument).catch((error: unknown) => this.#fault(error));
        return;
      case 'play':
        this.#stream.play(streamId, argument).catch((error: unknown) => this.#fault(error));
        return;
      case 'deleteStream':
      case 'closeStream':
        this.#stream.end();
        this.#createdStream &&= name === 'closeStream';
        return;
      case 'FCUnpublish':
        this.#stream.end();
        this.#result(transaction, undefined);
        return;
      case 'FCPublish':
        this.#result(transaction, undefined);
        this.#peer.command(0, 'onFCPublish', 0, null, { code: 'NetStream.Publish.Start', description: text(argument) });
        return;
      case 'releaseStream':
      case 'FCSubscribe':
      case '_checkbw':
        this.#result(transaction, undefined);
        return;
      case 'getStreamLength':
      case 'getMovLen':
        this.#result(transaction, 0); // a live stream has no length
        return;
      case 'pause':
        this.#stream.pause(streamId, argument === true);
        return;
      case 'seek':
        this.#stream.seek(streamId);
        return;
      case 'receiveAudio':
      case 'receiveVideo':
      case 'play2':
      case '_result':
      case '_error':
      case 'onStatus':
        return;
      default:
        if (transaction > 0) this.#error(transaction, 'NetConnection.Call.Failed', 'This command is not known here.');
    }
  }

  async #connect(transaction: number, object: AmfObject | undefined): Promise<void> {
    if (this.#app !== undefined) throw new ProtocolError('COMMAND', 'connect came twice.');
    this.#app = text(object?.app);
    this.#userAgent = text(object?.flashVer);
    const knowsHow = typeof object?.capsEx === 'number' && (object.capsEx & CAPS_EX_RECONNECT) !== 0;
    if (knowsHow) this.#reconnectsFrom = text(object.tcUrl);
    this.#socket.cork();
    this.#peer.announceWindow(WINDOW_BYTES);
    this.#peer.announceChunkSize();
    this.#socket.uncork();
    const refusal = this.#options.refusal ?? (await this.#askToConnect(this.#app));
    if (this.#ending) return;
    if (refusal) {
      this.#error(transaction, 'NetConnection.Connect.Rejected', refusal.description);
      this.#close(refusal.refused);
      return;
    }
    this.#peer.command(
      0,
      '_result',
      transaction,
      { fmsVer: 'FMS/3,0,1,123', capabilities: 31 },
      {
        level: 'status',
        code: 'NetConnection.Connect.Success',
        description: 'Connection succeeded.',
        objectEncoding: 0,
      },
    );
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const { streamId, values } of early) if (!this.#ending) this.#obey(streamId, values);
  }

  /** Asks the host, if it wants to be asked; commands that come meanwhile wait, so that answers keep their order. */
  async #askToConnect(app: string): Promise<Refusal | undefined> {
    this.#early = [];
    return this.#options.host.connect?.(this.#client, parseApp(app));
  }

  #createStream(transaction: number): void {
    if (this.#createdStream) {
      this.#error(transaction, 'NetConnection.Call.Failed', 'One stream at a time on a connection.');
      return;
    }
    this.#createdStream = true;
    this.#result(transaction, MEDIA_STREAM_ID);
  }

  #result(transaction: number, info: AmfValue): void {
    this.#peer.command(0, '_result', transaction, null, info);
  }

  #error(transaction: number, code: string, description: string): void {
    this.#peer.command(0, '_error', transaction, null, { level: 'error', code, description });
  }

  get #client(): ClientInfo {
    return { socket: this.#socket, userAgent: this.#userAgent };
  }

  #gotRole(): void {
    this.#hadRole = true;
    clearTimeout(this.#timer);
  }

  #fault(error: unknown): void {
    if (!(error instanceof ProtocolError)) {
      this.#options.onBug(error);
      this.#close('error');
    } else this.#close(error.fault === 'HANDSHAKE' ? 'bad-handshake' : 'protocol-error');
  }

  /** Last words, then the end; the socket's `close` does the rest. */
  #close(reason: CloseReason): void {
    if (this.#ending) return;
    this.#ending = reason;
    clearTimeout(this.#timer);
    this.#peer.stop();
    sayLastWords(this.#peer, reason, this.#stream.role, this.#options.encoding);
    if (reason === 'slow-viewer' || reason === 'bad-handshake' || reason === 'protocol-error' || reason === 'silent') {
      this.#socket.destroy();
    } else this.#sayGoodbye();
  }

  /** Lets what is queued out, and does not wait for a client that reads nothing. */
  #sayGoodbye(): void {
    this.#socket.end();
    this.#socket.resume();
    setTimeout(() => this.#socket.destroy(), LAST_WORDS_MS).unref();
  }

  #finish(reason: CloseReason): void {
    clearTimeout(this.#timer);
    const cause = this.#ending ?? reason;
    this.#ending = cause;
    this.#peer.stop();
    const hadRole = this.#hadRole;
    this.#stream.release(cause);
    this.#hadRole = true;
    if (!hadRole) this.#options.onRefused(this.#silent ? 'silent' : cause);
    this.#socket.destroy();
  }
}

function text(value: AmfValue): string {
  return typeof value === 'string' ? value : '';
}
