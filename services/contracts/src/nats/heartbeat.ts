/**
 * The sign of life of a node or an agent in KV: who it is and what others go by; refreshed well within its lease. It is also
 * its hold on its name: whoever finds another machine's living record under it does not overwrite it (M9).
 *
 *   asking ──nobody's, or our own of before──▶ held ──our lease ran out and another took it──▶ asking
 *      └──another machine's, or another process's that lives──▶ refused, and asks again at the next beat
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { KV } from '@nats-io/kv';
import { errorMessage } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { type Bucket, unlessConflict } from './bucket.ts';
import type { NatsHandle } from './connect.ts';
import { NODE_HEARTBEAT_MS } from './names.ts';

/** Whose a record is; what else stands in it is its owner's. */
export interface HolderRecord {
  node: string;
  machineId: string;
  pid: number;
}

/** Options of {@link startHeartbeat}. */
export interface HeartbeatOptions<R extends HolderRecord> {
  nats: NatsHandle;
  bucket: Bucket;
  record: () => R;
  /** The name is this node's; called once for each time it gets it. */
  onHeld(): void;
  /** `holder` has the name and lives; called at each beat that finds it so. */
  onTaken(holder: R): void;
  /** Who has the name in another bucket, which goes before this one; asked at each beat. */
  holderElsewhere?(): Promise<R | undefined>;
  /** A beat could not be written. */
  onFailure?(error: unknown): void;
  logger: Logger;
}

/** A beating heart. */
export interface Heartbeat {
  /** Writes at once: something changed that others go by. */
  beat(): void;
  /** Takes the node out of the directory at once, if it is in it; waits at most half a second for NATS. */
  close(): Promise<void>;
}

const CLOSE_WAIT_MS = 500;

/** Writes `record()` now, whenever NATS comes back, and every {@link NODE_HEARTBEAT_MS}. */
export function startHeartbeat<R extends HolderRecord>(options: HeartbeatOptions<R>): Heartbeat {
  const { nats, bucket, record, logger } = options;
  let stopped = false;
  let busy = false;
  let again = false;
  /** Of our last record; undefined while the name is not held. */
  let revision: number | undefined;
  const write = async (kv: KV, now: R) => {
    const value = JSON.stringify(now);
    const elsewhere = await options.holderElsewhere?.();
    if (elsewhere) {
      revision = undefined;
      options.onTaken(elsewhere);
      return;
    }
    if (revision !== undefined) {
      const next = await unlessConflict(kv.update(now.node, value, revision));
      if (next !== undefined) {
        revision = next;
        return;
      }
    }
    const wasHeld = revision !== undefined;
    revision = undefined;
    const entry = await kv.get(now.node);
    const holder = entry?.operation === 'PUT' ? entry.json<R>() : undefined;
    if (holder && !isOurs(holder, now)) {
      options.onTaken(holder);
      return;
    }
    revision = await unlessConflict(entry ? kv.update(now.node, value, entry.revision) : kv.create(now.node, value));
    if (revision === undefined) again = true;
    else if (!wasHeld) options.onHeld();
  };
  const beat = async () => {
    again = busy;
    if (busy || stopped) return;
    busy = true;
    try {
      const kv = await bucket.open();
      if (kv) await write(kv, record());
    } catch (error) {
      bucket.reset();
      options.onFailure?.(error);
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
    if (revision === undefined) return;
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

/** Our own record, or what a process of this machine left behind that is gone. */
function isOurs(holder: HolderRecord, own: HolderRecord): boolean {
  return holder.machineId === own.machineId && (holder.pid === own.pid || !isAlive(holder.pid));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
