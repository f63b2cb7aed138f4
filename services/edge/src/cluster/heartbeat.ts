/** A node's sign of life in KV: who it is, how it is reached, how loaded it is; refreshed well within its lease. */
import { setTimeout as sleep } from 'node:timers/promises';
import { errorMessage } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import type { NatsHandle } from '@weir/contracts/nats/connect';
import { NODE_HEARTBEAT_MS } from '@weir/contracts/nats/names';
import type { NodeRecord } from '@weir/contracts/nats/records';
import type { Bucket } from './buckets.ts';

/** A beating heart. */
export interface Heartbeat {
  /** Writes at once: something changed that others go by. */
  beat(): void;
  /** Takes the node out of the directory at once; waits at most half a second for NATS. */
  close(): Promise<void>;
}

const CLOSE_WAIT_MS = 500;

/** Writes `record()` now, whenever NATS comes back, and every {@link NODE_HEARTBEAT_MS}. */
export function startHeartbeat(nats: NatsHandle, bucket: Bucket, record: () => NodeRecord, logger: Logger): Heartbeat {
  let stopped = false;
  let busy = false;
  let again = false;
  const beat = async () => {
    again = busy;
    if (busy || stopped) return;
    busy = true;
    try {
      const now = record();
      const kv = await bucket.open();
      await kv?.put(now.node, JSON.stringify(now));
    } catch (error) {
      bucket.reset();
      logger.debug({ reason: errorMessage(error) }, 'a heartbeat was not written');
    } finally {
      busy = false;
      if (again) run();
    }
  };
  const run = () => void beat();
  const timer = setInterval(run, NODE_HEARTBEAT_MS).unref();
  const stopListening = nats.onChange((state) => {
    if (state === 'connected') run();
  });
  run();
  const remove = async () => {
    const kv = await bucket.open();
    await kv?.delete(record().node);
  };
  return {
    beat: run,
    async close() {
      stopped = true;
      clearInterval(timer);
      stopListening();
      await Promise.race([remove().catch(() => {}), sleep(CLOSE_WAIT_MS, undefined, { ref: false })]);
    },
  };
}
