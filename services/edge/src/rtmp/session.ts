/**
 * One RTMP client of this node: commands in, answers out (RTMP 1.0 §7.2). It decides nothing about streams: what may be
 * published or played is asked of its host. Before it: rtmp/server.ts and the peer; after it: the host's streams.
 *
 *   connecting ──allowed──▶ connected ──publish, play──▶ asking ──granted──▶ publishing, playing
 *                               ▲───────────────── deleteStream ─────────────────┘
 */
import type { Socket } from 'node:net';
import type { CloseReason } from '@weir/contracts/events';
import type { Refusal } from '../access/check.ts';
import { MEDIA_STREAM_ID } from '../stream/encoding.ts';
import { toMedia } from '../stream/media.ts';
import { type AmfObject, type AmfValue, asAmfObject, decodeAmf, encodeAmf } from './amf0.ts';
import { ProtocolError } from './errors.ts';
import { sayLastWords } from './last-words.ts';
import { type RtmpMessage, splitAggregate, TYPE } from './message.ts';
import { parseApp, parseStreamName, type StreamName } from './names.ts';
import { RtmpPeer } from './peer.ts';
import { USER_EVENT } from './protocol.ts';
import { type ReconnectRequest, reconnectStatus } from './reconnect.ts';
import type { ClientInfo, Playback, Publication, SessionOptions } from './session-host.ts';

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
  #timer: NodeJS.Timeout | undefined;
  #app: string | undefined;
  /** Commands that came while connect was being asked about; undefined when it is not. */
  #early: { streamId: number; values: AmfValue[] }[] | undefined;
  #userAgent = '';
  /** What the client connected to, if it said that it obeys a request to reconnect. */
  #reconnectsFrom: string | undefined;
  #createdStream = false;
  /** What is being asked for; ending the stream makes it void. */
  #asking: object | undefined;
  #publication: Publication | undefined;
  #playback: Playback | undefined;
  #hadRole = false;
  /** True when what is being played has begun. */
  #began = false;
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
    const isServed = this.#publication !== undefined || this.#playback !== undefined;
    if (this.#reconnectsFrom === undefined || !isServed || this.#ending) return false;
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
    switch (message.type) {
      case TYPE.command:
      case TYPE.commandAmf3:
        this.#command(message);
        return;
      case TYPE.aggregate:
        for (const part of splitAggregate(message)) this.#media(part);
        return;
      default:
        this.#media(message);
    }
  }

  #media(message: RtmpMessage): void {
    if (!this.#publication) return;
    const amf3 = message.type === TYPE.dataAmf3;
    const payload = amf3 ? message.payload.subarray(1) : message.payload;
    const media = toMedia(amf3 ? TYPE.data : message.type, message.timestamp, payload);
    if (media) this.#publication.push(media);
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
        this.#publish(streamId, argument).catch((error: unknown) => this.#fault(error));
        return;
      case 'play':
        this.#play(streamId, argument).catch((error: unknown) => this.#fault(error));
        return;
      case 'deleteStream':
      case 'closeStream':
        this.#endStream();
        this.#createdStream &&= name === 'closeStream';
        return;
      case 'FCUnpublish':
        this.#endStream();
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
        this.#pause(streamId, argument === true);
        return;
      case 'seek':
        this.#peer.status(streamId, 'error', 'NetStream.Seek.Failed', 'A live stream cannot be searched.');
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

  async #publish(streamId: number, argument: AmfValue): Promise<void> {
    const stream = parseStreamName(this.#app ?? '', text(argument));
    if (!stream || this.#busy) {
      this.#peer.status(streamId, 'error', 'NetStream.Publish.BadName', 'This name cannot be published here.');
      this.#close('refused');
      return;
    }
    const asking = {};
    this.#asking = asking;
    const answer = await this.#options.host.publish(stream, this.#client, (reason) => this.#close(reason));
    const isVoid = this.#asking !== asking;
    if (!isVoid) this.#asking = undefined;
    if ('refused' in answer) {
      if (isVoid || this.#ending) return;
      this.#peer.status(streamId, 'error', 'NetStream.Publish.BadName', answer.description);
      this.#close(answer.refused);
    } else if (isVoid || this.#ending) {
      answer.end(this.#ending ?? 'client-closed');
    } else {
      this.#gotRole();
      this.#publication = answer;
      this.#peer.reader.maxMessageBytes = this.#options.maxMessageBytes;
      this.#peer.userControl(USER_EVENT.streamBegin, streamId);
      const description = `${stream.app}/${stream.name} is now published.`;
      this.#peer.status(streamId, 'status', 'NetStream.Publish.Start', description);
    }
  }

  async #play(streamId: number, argument: AmfValue): Promise<void> {
    const stream = parseStreamName(this.#app ?? '', text(argument));
    if (!stream || this.#busy) {
      this.#peer.status(streamId, 'error', 'NetStream.Play.StreamNotFound', 'There is no stream of this name.');
      this.#close('stream-not-found');
      return;
    }
    const asking = {};
    this.#asking = asking;
    const answer = await this.#options.host.play(stream, this.#client, {
      socket: this.#socket,
      encoding: this.#options.encoding,
      begin: () => this.#beginPlaying(streamId, stream),
      end: (reason) => this.#close(reason),
    });
    const isVoid = this.#asking !== asking;
    if (!isVoid) this.#asking = undefined;
    if (isVoid || this.#ending) {
      if (!('refused' in answer)) answer.end(this.#ending ?? 'client-closed');
      this.#began = false;
      return;
    }
    if ('refused' in answer) {
      this.#peer.status(streamId, 'error', 'NetStream.Play.Failed', answer.description);
      this.#close(answer.refused);
      return;
    }
    clearTimeout(this.#timer);
    this.#playback = answer;
  }

  #beginPlaying(streamId: number, stream: StreamName): void {
    if (this.#began) return;
    this.#began = true;
    this.#gotRole();
    this.#peer.userControl(USER_EVENT.streamBegin, streamId);
    this.#peer.status(streamId, 'status', 'NetStream.Play.Reset', 'Playing and resetting stream.');
    this.#peer.status(streamId, 'status', 'NetStream.Play.Start', `Started playing ${stream.app}/${stream.name}.`);
    const payload = encodeAmf('|RtmpSampleAccess', true, true);
    this.#peer.sendMessage({ type: TYPE.data, streamId, timestamp: 0, payload });
  }

  #pause(streamId: number, paused: boolean): void {
    this.#playback?.pause(paused);
    const [code, description] = paused
      ? ['NetStream.Pause.Notify', 'Paused live.']
      : ['NetStream.Unpause.Notify', 'Playing live again.'];
    this.#peer.status(streamId, 'status', code as string, description as string);
  }

  /** The client ends its stream and may begin another on the same connection. */
  #endStream(): void {
    this.#asking = undefined;
    if (!this.#publication && !this.#playback) return;
    this.#release('client-closed');
    this.#expectRole();
  }

  #result(transaction: number, info: AmfValue): void {
    this.#peer.command(0, '_result', transaction, null, info);
  }

  #error(transaction: number, code: string, description: string): void {
    this.#peer.command(0, '_error', transaction, null, { level: 'error', code, description });
  }

  get #busy(): boolean {
    return this.#asking !== undefined || this.#publication !== undefined || this.#playback !== undefined;
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
    const role = this.#playback ? 'viewer' : this.#publication ? 'publisher' : undefined;
    sayLastWords(this.#peer, reason, role, this.#options.encoding);
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
    this.#release(cause);
    this.#hadRole = true;
    if (!hadRole) this.#options.onRefused(this.#silent ? 'silent' : cause);
    this.#socket.destroy();
  }

  #release(reason: CloseReason): void {
    this.#publication?.end(reason);
    this.#playback?.end(reason);
    this.#publication = undefined;
    this.#playback = undefined;
    this.#began = false;
  }
}

function text(value: AmfValue): string {
  return typeof value === 'string' ? value : '';
}
