/**
 * A publisher that is connected to a worker, handed to the primary over a link: there the claim is held, the messages
 * get their numbers, and the connection stands in the book. Before it: the publisher's session; after it: link-server.ts.
 */
import { connect } from 'node:net';
import type { CloseReason, Protocol } from '@weir/contracts/events';
import type { Refusal } from '../access/check.ts';
import type { StreamName } from '../rtmp/names.ts';
import type { Publication } from '../rtmp/session-host.ts';
import type { PublishingClient } from '../stream/name-rights.ts';
import { LinkReader, writeControl, writeMedia } from './link-frames.ts';

/** Media that the primary has not taken; a node so far behind cannot be helped by keeping more. */
const MAX_QUEUED_BYTES = 33_554_432;

/** Asks the primary whether `client` may publish; as {@link Streams.publish}. */
export function publishByLink(
  path: string,
  stream: StreamName,
  client: PublishingClient,
  revoke: (reason: CloseReason) => void,
  protocol: Protocol,
): Promise<Publication | Refusal> {
  const { socket, userAgent } = client;
  const link = connect(path);
  return new Promise((resolve) => {
    let ended = false;
    const publication: Publication = {
      push(media) {
        if (ended) return;
        writeMedia(link, media, { epoch: 0, sequence: -1, socketBytes: socket.bytesRead });
        if (link.writableLength > MAX_QUEUED_BYTES) revoke('error');
      },
      end(reason) {
        if (ended) return;
        ended = true;
        const { bytesRead: bytesIn, bytesWritten: bytesOut } = socket;
        writeControl(link, { kind: 'gone', reason, bytesIn, bytesOut });
        link.end();
      },
    };
    const reader = new LinkReader({
      onMedia: () => {},
      onControl(message) {
        if (message.kind === 'granted') resolve(publication);
        else if (message.kind === 'refused') {
          ended = true;
          link.end();
          resolve({ refused: message.refused, description: message.description });
        } else if (message.kind === 'revoke' && !ended) revoke(message.reason);
      },
    });
    link.on('data', (chunk: Buffer) => reader.push(chunk));
    link.on('error', () => link.destroy());
    link.once('close', () => {
      resolve({ refused: 'error', description: 'This node is shutting down.' });
      if (ended) return;
      ended = true;
      revoke('shutdown');
    });
    writeControl(link, {
      kind: 'publish',
      app: stream.app,
      name: stream.name,
      query: stream.query.toString(),
      protocol,
      userAgent,
      address: socket.remoteAddress ?? '',
      port: socket.remotePort ?? 0,
    });
  });
}
