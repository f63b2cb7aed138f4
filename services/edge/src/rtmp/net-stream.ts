/**
 * The one message stream of a session: publish, play, pause, seek, and their statuses (RTMP 1.0 §7.2.2). What may be
 * published or played is asked of the session's host. Before it: the session's commands; after it: the host's streams.
 *
 *   idle ──publish, play──▶ asking ──granted──▶ publishing, playing ──deleteStream──▶ idle
 */
import type { Socket } from 'node:net';
import type { CloseReason } from '@weir/contracts/events';
import { toMedia } from '../stream/media.ts';
import { type AmfValue, encodeAmf } from './amf0.ts';
import { type RtmpMessage, splitAggregate, TYPE } from './message.ts';
import { parseStreamName, type StreamName } from './names.ts';
import type { RtmpPeer } from './peer.ts';
import { USER_EVENT } from './protocol.ts';
import type { ClientInfo, Playback, Publication, SessionHost } from './session-host.ts';

/** What is wrong with a request for a stream that cannot even be asked for. */
const ONE_STREAM = 'One stream at a time on a connection.';
const NO_NAME = 'No stream can have this name: the URL is rtmp://host/app/name.';

/** What a stream needs of its session. */
export interface NetStreamOptions {
  peer: RtmpPeer;
  socket: Socket;
  host: SessionHost;
  /** Encoding of what it plays. */
  encoding: 'rtmp' | 'relay';
  /** Largest message of a publisher. */
  maxMessageBytes: number;
  /** What it was connected to, and who it is. */
  app: () => string;
  client: () => ClientInfo;
  /** Why the session ends, once it does. */
  ending: () => CloseReason | undefined;
  /** Ends the session. */
  close: (reason: CloseReason) => void;
  /** The client publishes or plays; the stream begins. */
  gotRole: () => void;
  /** It waits for a stream it was allowed to play. */
  waits: () => void;
  /** It ended its stream and may begin another. */
  lostRole: () => void;
}

/** See the head of the file. */
export class NetStream {
  readonly #options: NetStreamOptions;
  /** What is being asked for; ending the stream makes it void. */
  #asking: object | undefined;
  #publication: Publication | undefined;
  #playback: Playback | undefined;
  /** True when what is being played has begun. */
  #began = false;

  constructor(options: NetStreamOptions) {
    this.#options = options;
  }

  /** What the client is served as. */
  get role(): 'viewer' | 'publisher' | undefined {
    return this.#playback ? 'viewer' : this.#publication ? 'publisher' : undefined;
  }

  /** Takes audio, video, data and aggregate messages; nothing comes of them unless the client publishes. */
  media(message: RtmpMessage): void {
    if (message.type === TYPE.aggregate) {
      for (const part of splitAggregate(message)) this.#push(part);
    } else this.#push(message);
  }

  async publish(streamId: number, argument: AmfValue): Promise<void> {
    const { peer, host, maxMessageBytes, app, client, ending, close, gotRole } = this.#options;
    const stream = parseStreamName(app(), text(argument));
    if (!stream || this.#busy) {
      peer.status(streamId, 'error', 'NetStream.Publish.BadName', this.#busy ? ONE_STREAM : NO_NAME);
      close('refused');
      return;
    }
    const asking = {};
    this.#asking = asking;
    const answer = await host.publish(stream, client(), (reason) => close(reason));
    const isVoid = this.#asking !== asking;
    if (!isVoid) this.#asking = undefined;
    if ('refused' in answer) {
      if (isVoid || ending()) return;
      peer.status(streamId, 'error', 'NetStream.Publish.BadName', answer.description);
      close(answer.refused);
    } else if (isVoid || ending()) {
      answer.end(ending() ?? 'client-closed');
    } else {
      gotRole();
      this.#publication = answer;
      peer.reader.maxMessageBytes = maxMessageBytes;
      peer.userControl(USER_EVENT.streamBegin, streamId);
      const description = `${stream.app}/${stream.name} is now published.`;
      peer.status(streamId, 'status', 'NetStream.Publish.Start', description);
    }
  }

  async play(streamId: number, argument: AmfValue): Promise<void> {
    const { peer, socket, host, encoding, app, client, ending, close, waits } = this.#options;
    const stream = parseStreamName(app(), text(argument));
    if (!stream || this.#busy) {
      peer.status(streamId, 'error', 'NetStream.Play.StreamNotFound', this.#busy ? ONE_STREAM : NO_NAME);
      close('stream-not-found');
      return;
    }
    const asking = {};
    this.#asking = asking;
    const answer = await host.play(stream, client(), {
      socket,
      encoding,
      begin: () => this.#beginPlaying(streamId, stream),
      end: (reason) => close(reason),
    });
    const isVoid = this.#asking !== asking;
    if (!isVoid) this.#asking = undefined;
    if (isVoid || ending()) {
      if (!('refused' in answer)) answer.end(ending() ?? 'client-closed');
      this.#began = false;
      return;
    }
    if ('refused' in answer) {
      peer.status(streamId, 'error', 'NetStream.Play.Failed', answer.description);
      close(answer.refused);
      return;
    }
    waits();
    this.#playback = answer;
  }

  pause(streamId: number, paused: boolean): void {
    this.#playback?.pause(paused);
    const [code, description] = paused
      ? ['NetStream.Pause.Notify', 'Paused live.']
      : ['NetStream.Unpause.Notify', 'Playing live again.'];
    this.#options.peer.status(streamId, 'status', code as string, description as string);
  }

  seek(streamId: number): void {
    this.#options.peer.status(streamId, 'error', 'NetStream.Seek.Failed', 'A live stream cannot be searched.');
  }

  /** The client ends its stream and may begin another on the same connection. */
  end(): void {
    this.#asking = undefined;
    if (!this.role) return;
    this.release('client-closed');
    this.#options.lostRole();
  }

  /** Lets go what was granted. */
  release(reason: CloseReason): void {
    this.#publication?.end(reason);
    this.#playback?.end(reason);
    this.#publication = undefined;
    this.#playback = undefined;
    this.#began = false;
  }

  #push(message: RtmpMessage): void {
    if (!this.#publication) return;
    const amf3 = message.type === TYPE.dataAmf3;
    const payload = amf3 ? message.payload.subarray(1) : message.payload;
    const media = toMedia(amf3 ? TYPE.data : message.type, message.timestamp, payload);
    if (media) this.#publication.push(media);
  }

  #beginPlaying(streamId: number, stream: StreamName): void {
    if (this.#began) return;
    this.#began = true;
    const { peer, gotRole } = this.#options;
    gotRole();
    peer.userControl(USER_EVENT.streamBegin, streamId);
    peer.status(streamId, 'status', 'NetStream.Play.Reset', 'Playing and resetting stream.');
    peer.status(streamId, 'status', 'NetStream.Play.Start', `Started playing ${stream.app}/${stream.name}.`);
    const payload = encodeAmf('|RtmpSampleAccess', true, true);
    peer.sendMessage({ type: TYPE.data, streamId, timestamp: 0, payload });
  }

  get #busy(): boolean {
    return this.#asking !== undefined || this.role !== undefined;
  }
}

function text(value: AmfValue): string {
  return typeof value === 'string' ? value : '';
}
