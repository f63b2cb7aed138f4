/**
 * Pulls a stream from a server that is no member and publishes it on this node: for everybody else it is a stream like any
 * other, with a claim, an epoch and numbers. Before it: external-link.ts; after it: the streams of this node.
 */

import { WeirError } from '@weir/contracts/errors';
import type { CloseReason } from '@weir/contracts/events';
import { RtmpClient } from '../rtmp/client.ts';
import { type RtmpMessage, splitAggregate, TYPE } from '../rtmp/message.ts';
import type { StreamName } from '../rtmp/names.ts';
import type { Protocol } from '../rtmp/protocol.ts';
import type { Publication } from '../rtmp/session-host.ts';
import { type MediaMessage, toMedia } from '../stream/media.ts';
import type { Streams } from '../stream/streams.ts';
import type { Talk } from './external-link.ts';
import { shownUrl } from './external-rules.ts';
import type { ExternalTrust } from './external-trust.ts';

/** Options of {@link pullExternal}. */
export interface ExternalPullOptions extends Talk {
  stream: StreamName;
  streams: Streams;
  protocol: Protocol;
  tls: ExternalTrust;
  maxMessageBytes: number;
  /** Time to connect, and then for the first media to come. */
  connectTimeoutMs: number;
  /** Without media for so long it is left. */
  stallTimeoutMs: number;
}

/** Kept while the claim is being asked for. */
const MAX_KEPT = 4_096;

/** Never resolves: rejects when the stream is lost, refused here or there, silent, or `signal` is aborted. */
export async function pullExternal(options: ExternalPullOptions): Promise<void> {
  const { url, stream, streams, protocol, tls, maxMessageBytes, connectTimeoutMs } = options;
  const { stallTimeoutMs, signal, onLive } = options;
  const over = Promise.withResolvers<never>();
  const fail = (what: string) => over.reject(new WeirError('EDGE_EXTERNAL_PULL', `${shownUrl(url)} ${what}`));
  let publication: Publication | undefined;
  let kept: MediaMessage[] | undefined = [];
  let endedBy: CloseReason = 'source-lost';
  const silence = setTimeout(() => fail('sends nothing.'), 2 * connectTimeoutMs).unref();
  const take = (message: RtmpMessage) => {
    const isAmf3 = message.type === TYPE.dataAmf3;
    const payload = isAmf3 ? message.payload.subarray(1) : message.payload;
    const media = toMedia(isAmf3 ? TYPE.data : message.type, message.timestamp, payload);
    if (!media) return;
    if (publication) publication.push(media);
    else if (kept && kept.push(media) > MAX_KEPT) fail('sends faster than it can be claimed.');
    first.resolve();
  };
  const first = Promise.withResolvers<void>();
  let lastBytes = 0;
  let lastBytesMs = Date.now();
  let watchdog: NodeJS.Timeout | undefined;
  let client: RtmpClient | undefined;
  over.promise.catch(() => {}); // it is raced below
  try {
    client = await RtmpClient.connect({
      ...url,
      protocol,
      tls,
      maxMessageBytes,
      signal,
      timeoutMs: connectTimeoutMs,
      onMessage(message) {
        if (message.type === TYPE.aggregate) for (const part of splitAggregate(message)) take(part);
        else take(message);
      },
      onStatus({ code, level, description }) {
        if (code === 'NetStream.Play.UnpublishNotify' || level === 'error') fail(`says: ${code} ${description}`);
      },
      onClose: () => fail('closed the connection.'),
    });
    await Promise.race([client.play(url.name), over.promise]);
    await Promise.race([first.promise, over.promise]);
    clearTimeout(silence);
    const { socket } = client;
    const revoke = (reason: CloseReason) => {
      endedBy = reason;
      fail(`is not wanted here any more: ${reason}.`);
    };
    const userAgent = `external ${shownUrl(url)}`;
    const answer = await streams.publishNow(stream, { socket, userAgent }, revoke, 'rtmp');
    if ('refused' in answer)
      throw new WeirError('EDGE_EXTERNAL_REFUSED', `Not taken from ${shownUrl(url)}: ${answer.description}`);
    publication = answer;
    onLive();
    for (const media of kept) publication.push(media);
    kept = undefined;
    watchdog = setInterval(() => {
      if (socket.bytesRead !== lastBytes) {
        lastBytes = socket.bytesRead;
        lastBytesMs = Date.now();
      } else if (Date.now() - lastBytesMs >= stallTimeoutMs) fail(`sent nothing for ${stallTimeoutMs} ms.`);
    }, stallTimeoutMs / 4).unref();
    await over.promise;
  } finally {
    clearTimeout(silence);
    clearInterval(watchdog);
    client?.close();
    publication?.end(signal.aborted ? 'client-closed' : endedBy);
  }
}
