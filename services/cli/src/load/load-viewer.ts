/**
 * One viewer of the load generator. Until its first frame it speaks RTMP like any client; then it only counts bytes,
 * read into one buffer that all viewers share, so that thousands fit on one core. A sampled one goes on parsing and
 * checks timestamps and gaps. Before it: run-load.ts; after it: figures.
 */
import { connect, type Socket } from 'node:net';
import { RtmpClient } from '@weir/edge/rtmp/client';
import { type RtmpMessage, TYPE } from '@weir/edge/rtmp/message';
import type { Protocol } from '@weir/edge/rtmp/protocol';
import { toMedia } from '@weir/edge/stream/media';
import { StreamCheck } from './stream-check.ts';

/** What is played. */
export interface LoadTarget {
  host: string;
  port: number;
  app: string;
  /** With its query, if any. */
  name: string;
}

/** Options of {@link LoadViewer.join}. */
export interface LoadViewerOptions {
  target: LoadTarget;
  protocol: Protocol;
  /** Shared by all viewers of the process; overwritten by every read. */
  readBuffer: Buffer;
  /** Parse everything and check it. */
  sampled: boolean;
  timeoutMs: number;
}

/** Bytes after which a viewer acknowledges; servers announce windows of 2.5 MB and more. */
const ACKNOWLEDGE_BYTES = 2_000_000;

/** See the head of the file. */
export class LoadViewer {
  /** `app/name` of what it plays. */
  readonly stream: string;
  /** Bytes received, total. */
  bytes = 0;
  /** From the first packet to the answer to `connect`, ms. */
  connectMs = 0;
  /** From the first packet to the first frame, ms; undefined until it came. */
  firstFrameMs: number | undefined;
  /** The server ended the connection. */
  lost = false;
  readonly check: StreamCheck | undefined;
  readonly #options: LoadViewerOptions;
  readonly #socket: Socket;
  readonly #startedAt = performance.now();
  #acknowledged = 0;
  #counting = false;
  #closed = false;

  /** Connects and plays; resolves when the server starts the stream. @throws RtmpClientError or what the socket says. */
  static async join(options: LoadViewerOptions): Promise<LoadViewer> {
    const viewer = new LoadViewer(options);
    try {
      await viewer.#play();
    } catch (error) {
      viewer.close();
      throw error;
    }
    return viewer;
  }

  private constructor(options: LoadViewerOptions) {
    this.#options = options;
    this.stream = `${options.target.app}/${options.target.name}`;
    this.check = options.sampled ? new StreamCheck() : undefined;
    const { host, port } = options.target;
    this.#socket = connect({
      host,
      port,
      noDelay: true,
      onread: { buffer: options.readBuffer, callback: (length, buffer) => this.#read(length, buffer) },
    });
    this.#socket.on('close', () => {
      this.lost = !this.#closed;
    });
  }

  /** Reads nothing further, as a client on a dead link. */
  stopReading(): void {
    this.#socket.pause();
  }

  /** Ends it at once. */
  close(): void {
    this.#closed = true;
    this.#socket.destroy();
  }

  async #play(): Promise<void> {
    const { target, protocol, timeoutMs } = this.#options;
    const client = await RtmpClient.connect({
      ...target,
      protocol,
      timeoutMs,
      socket: this.#socket,
      onMessage: (message) => this.#receive(message),
    });
    this.connectMs = performance.now() - this.#startedAt;
    await client.play(target.name);
  }

  #read(length: number, buffer: Uint8Array): boolean {
    this.bytes += length;
    if (!this.#counting) this.#socket.emit('data', Buffer.from(buffer.subarray(0, length)));
    else if (this.bytes - this.#acknowledged > ACKNOWLEDGE_BYTES) {
      this.#acknowledged = this.bytes;
      this.#socket.write(this.#options.protocol.acknowledgement(this.bytes));
    }
    return true;
  }

  #receive(message: RtmpMessage): void {
    if (message.type !== TYPE.audio && message.type !== TYPE.video) return;
    this.check?.message(message.type, message.timestamp, performance.now());
    if (this.firstFrameMs !== undefined) return;
    // A decoder's configuration is no frame yet.
    if (toMedia(message.type, message.timestamp, message.payload)?.kind === 'header') return;
    this.firstFrameMs = performance.now() - this.#startedAt;
    this.#counting = !this.check;
  }
}
