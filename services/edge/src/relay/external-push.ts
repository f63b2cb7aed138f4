/**
 * Pushes a stream that is published on this node to a server that is no member, as an encoder would. Before it:
 * external-link.ts and the stream's hub; after it: the other server. What it does not take in time is dropped up to the next
 * key frame: a slow target holds nobody up.
 */
import { WeirError } from '@weir/contracts/errors';
import { RtmpClient } from '../rtmp/client.ts';
import type { Protocol } from '../rtmp/protocol.ts';
import type { Hub } from '../stream/hub.ts';
import type { HubMessage } from '../stream/hub-log.ts';
import type { Talk } from './external-link.ts';
import { shownUrl } from './external-rules.ts';
import type { ExternalTrust } from './external-trust.ts';

/** Options of {@link pushExternal}. */
export interface ExternalPushOptions extends Talk {
  hub: Hub;
  protocol: Protocol;
  tls: ExternalTrust;
  connectTimeoutMs: number;
  /** Bytes queued for the target above which messages are dropped. */
  queueBytes: number;
  onDropped(): void;
  /** Bytes written since the last call. */
  onBytes(bytesOut: number): void;
}

/** `@setDataFrame` in AMF0: what servers expect in front of onMetaData, and what hubs keep without. */
const SET_DATA_FRAME = Buffer.from('\x02\x00\x0d@setDataFrame', 'latin1');
const LOOK_MS = 1_000;
/** A target that takes nothing of a full queue for so long is given up. */
const STUCK_MS = 10_000;

/** Rejects when the target refuses, is lost or takes nothing; when the stream ends or `signal` is aborted it resolves. */
export async function pushExternal(options: ExternalPushOptions): Promise<void> {
  const { url, hub, protocol, tls, connectTimeoutMs, queueBytes, signal, onLive, onDropped, onBytes } = options;
  const over = Promise.withResolvers<void>();
  const fail = (what: string) => over.reject(new WeirError('EDGE_EXTERNAL_PUSH', `${shownUrl(url)} ${what}`));
  over.promise.catch(() => {}); // it is awaited below
  const client = await RtmpClient.connect({
    ...url,
    protocol,
    tls,
    signal,
    timeoutMs: connectTimeoutMs,
    onStatus({ code, level, description }) {
      if (level === 'error') fail(`says: ${code} ${description}`);
    },
    onClose: () => fail('closed the connection.'),
  });
  let awaitsKey = false;
  const tap = {
    onMessage({ type, kind, viewerTimestamp, payload }: HubMessage) {
      const isHeader = kind === 'header' || kind === 'metadata';
      if (client.socket.writableLength > queueBytes) awaitsKey = true;
      else if (kind === 'key') awaitsKey = false;
      if (awaitsKey && !isHeader) onDropped();
      else client.send(type, viewerTimestamp, kind === 'metadata' ? Buffer.concat([SET_DATA_FRAME, payload]) : payload);
    },
    onEnd: () => over.resolve(),
  };
  let bytes = 0;
  let takenMs = Date.now();
  const look = () => {
    const written = client.socket.bytesWritten;
    onBytes(written - bytes);
    if (client.socket.writableLength <= queueBytes || written !== bytes) takenMs = Date.now();
    bytes = written;
    if (Date.now() - takenMs > STUCK_MS) fail('takes nothing.');
  };
  let timer: NodeJS.Timeout | undefined;
  try {
    await client.publish(url.name);
    onLive();
    hub.tap(tap);
    timer = setInterval(look, LOOK_MS).unref();
    await over.promise;
  } finally {
    clearInterval(timer);
    hub.untap(tap);
    onBytes(client.socket.bytesWritten - bytes);
    await client.end(url.name).catch(() => {});
    client.close();
  }
}
