/**
 * A worker's source of one stream: the primary, over a link. Before it: the primary's hub, message by message as they
 * come (the merge window is spent once, by the worker); after it: the worker's hub, which drops what it had before.
 */
import { connect, type Socket } from 'node:net';
import type { Hub } from '../stream/hub.ts';
import type { Upstream, UpstreamEvents } from '../stream/live-stream.ts';
import { LinkReader, writeControl } from './link-frames.ts';

/** The viewers here are told to the primary so often, when anything changed. */
const TELL_MS = 250;
/** A link that was cut (this worker did not keep up) is made again after so long. */
const RETRY_MS = 200;

/** See the head of the file; runs until closed. */
export class LinkPull implements Upstream {
  state: Upstream['state'] = 'connecting';
  readonly from = '';
  bytesIn = 0;
  readonly #path: string;
  readonly #hub: Hub;
  readonly #events: UpstreamEvents;
  readonly #timer: NodeJS.Timeout;
  #socket: Socket | undefined;
  #retry: NodeJS.Timeout | undefined;
  #told = '';
  #closed = false;

  /** @param path of the primary's links. */
  constructor(path: string, hub: Hub, events: UpstreamEvents) {
    this.#path = path;
    this.#hub = hub;
    this.#events = events;
    this.#timer = setInterval(() => this.#tell(), TELL_MS).unref();
    this.#connect();
  }

  /** Nothing to do: the primary follows the directory. */
  wake(): void {}

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.state = 'idle';
    clearInterval(this.#timer);
    clearTimeout(this.#retry);
    // Viewers are sent their last bytes in this turn: they belong into the last word.
    setImmediate(() => {
      this.#tell();
      this.#socket?.end();
    });
  }

  #connect(): void {
    const { app, name } = this.#hub;
    const socket = connect(this.#path);
    this.#socket = socket;
    this.#told = '';
    const reader = new LinkReader({
      onMedia: (media, { epoch, sequence }) => {
        if (this.#closed) return;
        this.state = 'live';
        if (epoch !== this.#hub.epoch) this.#hub.beginEpoch(epoch);
        if (sequence < 0) this.#hub.pushHeader(media);
        else this.#hub.push(media, sequence);
      },
      onControl: (message) => {
        if (this.#closed) return;
        if (message.kind === 'interrupted') {
          this.state = 'waiting';
          this.#events.interrupted();
        } else if (message.kind === 'ended') this.#events.ended();
      },
    });
    socket.on('data', (chunk: Buffer) => {
      this.bytesIn += chunk.length;
      reader.push(chunk);
    });
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      if (this.#closed) return;
      this.state = 'switching';
      this.#events.interrupted();
      this.#retry = setTimeout(() => this.#connect(), RETRY_MS).unref();
    });
    writeControl(socket, { kind: 'play', app, name });
  }

  #tell(): void {
    const { audienceCount: viewers, bytesOut, framesDropped } = this.#hub;
    const now = `${viewers} ${bytesOut} ${framesDropped}`;
    if (now === this.#told || !this.#socket?.writable) return;
    this.#told = now;
    writeControl(this.#socket, { kind: 'audience', viewers, bytesOut, framesDropped });
  }
}
