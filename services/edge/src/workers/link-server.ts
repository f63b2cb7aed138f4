/**
 * The primary's end of all links: gives workers the streams they have viewers for, and takes the publishers connected to
 * them. Before it: the workers; after it: the node's streams, to which a worker's viewers are a tap with an audience.
 */
import { createServer, type Socket } from 'node:net';
import type { Logger } from '@weir/contracts/logger';
import type { StreamName } from '../rtmp/names.ts';
import { streamKey } from '../rtmp/names.ts';
import type { Publication } from '../rtmp/session-host.ts';
import type { HubMessage } from '../stream/hub-log.ts';
import type { Streams } from '../stream/streams.ts';
import type { Audience } from '../stream/taps.ts';
import { type LinkControl, LinkReader, type LinkRequest, writeControl, writeMedia } from './link-frames.ts';

/** A worker that takes so little of a stream is cut off from it; it comes back and goes on where it stood, or at a key frame. */
const MAX_QUEUED_BYTES = 33_554_432;
/** A hub says nothing when its source is lost: it is looked at so often. */
const LOOK_MS = 100;

/** The running links. */
export interface LinkServer {
  /** Links cut because a worker did not keep up, total. */
  readonly cut: number;
  /** Ends all links. */
  close(): Promise<void>;
}

/** Listens at `path`, a new Unix socket. */
export async function startLinkServer(path: string, streams: Streams, logger: Logger): Promise<LinkServer> {
  const links = new Set<Socket>();
  const looks = new Set<() => void>();
  let cut = 0;
  const server = createServer((socket) => {
    links.add(socket);
    socket.once('close', () => links.delete(socket));
    socket.on('error', () => socket.destroy());
    let link: Link | undefined;
    const reader = new LinkReader({
      onMedia: (media, position) => link?.onMedia?.(media, position),
      onControl(message) {
        if (link) link.onControl(message as LinkControl);
        else link = begin(message as LinkRequest);
      },
    });
    const begin = (request: LinkRequest): Link => {
      if (request.kind === 'publish') return publishing(request, socket, streams);
      const onCut = () => {
        cut += 1;
        logger.warn({ stream: streamKey(request) }, 'a worker did not keep up with a stream: it begins anew');
      };
      const link_ = playing(request, socket, streams, onCut);
      looks.add(link_.look);
      socket.once('close', () => looks.delete(link_.look));
      return link_;
    };
    socket.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch (error) {
        logger.error({ err: error }, 'a link ended by an error of ours');
        socket.destroy();
      }
    });
    socket.once('close', () => link?.onClose());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  const timer = setInterval(() => {
    for (const look of looks) look();
  }, LOOK_MS).unref();
  return {
    get cut() {
      return cut;
    },
    async close() {
      clearInterval(timer);
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      for (const socket of links) socket.destroy();
      await closed;
    },
  };
}

/** One link after its first message. */
interface Link {
  onMedia?: (...what: Parameters<ConstructorParameters<typeof LinkReader>[0]['onMedia']>) => void;
  onControl(message: LinkControl): void;
  onClose(): void;
}

/** A worker has viewers of a stream. */
function playing(
  { app, name }: { app: string; name: string },
  socket: Socket,
  streams: Streams,
  onCut: () => void,
): Link & { look: () => void } {
  const stream: StreamName = { app, name, query: new URLSearchParams() };
  const key = streamKey(stream);
  const audience: Audience = { viewers: 0, bytesOut: 0, framesDropped: 0 };
  const stateNow = () => streams.get(key)?.hub.state;
  // What is kept from before a source was lost is no beginning for a viewer.
  const isStale = stateNow() === 'interrupted';
  let isReplay = true;
  let isHead = true;
  let wasInterrupted = false;
  const onMessage = (message: HubMessage) => {
    const isHeader = message.kind === 'header' || message.kind === 'metadata';
    if (isReplay && isStale && !isHeader) return;
    isHead &&= isHeader;
    wasInterrupted = false;
    const sequence = isReplay && isHead ? -1 : message.sequence;
    writeMedia(socket, message, { epoch: message.epoch, sequence, socketBytes: 0 });
    if (socket.writableLength <= MAX_QUEUED_BYTES || socket.destroyed) return;
    onCut();
    socket.destroy();
  };
  const tap = streams.tap(stream, { onMessage, onEnd: () => end(), audience });
  isReplay = false;
  const end = () => {
    writeControl(socket, { kind: 'ended' });
  };
  return {
    look() {
      if (wasInterrupted || stateNow() !== 'interrupted') return;
      wasInterrupted = true;
      writeControl(socket, { kind: 'interrupted' });
    },
    onControl(message) {
      if (message.kind !== 'audience') return;
      audience.viewers = message.viewers;
      audience.bytesOut = message.bytesOut;
      audience.framesDropped = message.framesDropped;
    },
    onClose() {
      audience.viewers = 0;
      tap.stop();
    },
  };
}

/** A worker has a publisher. */
function publishing(request: LinkRequest & { kind: 'publish' }, socket: Socket, streams: Streams): Link {
  const { app, name, query, protocol, userAgent } = request;
  const { address: remoteAddress, port: remotePort } = request;
  const client = { userAgent, socket: { bytesRead: 0, bytesWritten: 0, writableLength: 0, remoteAddress, remotePort } };
  let publication: Publication | undefined;
  let isGone = false;
  const revoke: Parameters<Streams['publish']>[2] = (reason) => {
    if (!socket.destroyed) writeControl(socket, { kind: 'revoke', reason });
  };
  void streams.publish({ app, name, query: new URLSearchParams(query) }, client, revoke, protocol).then((answer) => {
    if ('refused' in answer) {
      if (!isGone) writeControl(socket, { kind: 'refused', ...answer });
      return;
    }
    publication = answer;
    if (isGone) answer.end('client-closed');
    else writeControl(socket, { kind: 'granted' });
  });
  const end: Publication['end'] = (reason) => {
    if (isGone) return;
    isGone = true;
    publication?.end(reason);
  };
  return {
    onMedia(media, { socketBytes }) {
      client.socket.bytesRead = socketBytes;
      publication?.push(media);
    },
    onControl(message) {
      if (message.kind !== 'gone') return;
      client.socket.bytesRead = message.bytesIn;
      client.socket.bytesWritten = message.bytesOut;
      end(message.reason);
    },
    // Without a word: the worker died.
    onClose: () => end('error'),
  };
}
