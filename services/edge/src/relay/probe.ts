/**
 * Asks a node whether it really has the publisher it claims: a relay play that is closed as soon as it is answered. A
 * node that died a moment ago still has its record, and nobody should wait for its lease.
 */
import type { StreamRecord } from '@weir/contracts/nats/records';
import { RtmpClient } from '../rtmp/client.ts';
import type { Protocol } from '../rtmp/protocol.ts';
import type { KeyRing } from './key-ring.ts';
import { parseAddress } from './route.ts';

/** Who asks, and how long. */
export interface ProbeOptions {
  node: string;
  ring: KeyRing;
  protocol: Protocol;
  timeoutMs: number;
}

/** Hops of a probe's claim: all are used up, so a node that would have to pull the stream itself must refuse. */
export const PROBE_HOPS = Number.MAX_SAFE_INTEGER;

/**
 * True when the node of `record` answers that it has the publisher; false when it refuses, is away or takes too long, and
 * when the publisher there has gone silent: what came of it by another network must not wait for it.
 */
export async function hasPublisher(record: StreamRecord, options: ProbeOptions): Promise<boolean> {
  const at = parseAddress(record.relay);
  if (!at) return false;
  const { stream } = record;
  const { node, ring } = options;
  const slash = stream.indexOf('/');
  let client: RtmpClient | undefined;
  try {
    client = await RtmpClient.connect({
      ...at,
      app: stream.slice(0, slash),
      protocol: options.protocol,
      timeoutMs: options.timeoutMs,
    });
    await client.play(`${stream.slice(slash + 1)}?${ring.sign({ node, stream, hops: PROBE_HOPS })}`);
    return true;
  } catch {
    return false; // whatever the reason, there is no publisher to be had
  } finally {
    client?.close();
  }
}
