/**
 * How far this machine's clock is from that of NATS. NATS (2.9) has no call that tells its time, but JetStream stamps
 * each message it stores with the clock of the stream's leader; we read the stamp of our own last message back and
 * compare it with the middle of its round trip. The error is at most half of the round trip plus 1 ms (loopback < 1 ms,
 * 20 ms over a 40 ms line): good for "off by more than 2 s", not for disciplining a clock. Before it: the publisher's
 * acknowledgements; after it: host-reporter.ts.
 */
import type { Logger } from '@weir/contracts/logger';
import type { NatsHandle } from '@weir/contracts/nats/connect';
import { TELEMETRY_STREAM } from '@weir/contracts/nats/names';
import type { Acknowledged } from '../publisher.ts';

/** Keeps the newest offset. */
export interface ClockOffset {
  /** Looks at an acknowledged message, when the last look is long enough ago; returns at once. */
  onAcknowledged(acknowledged: Acknowledged): void;
  /** Seconds this machine is ahead of NATS, if measured since the last call. */
  take(): number | undefined;
}

const MEASURE_EVERY_MS = 60_000;
const RETRY_AFTER_MS = 5_000;
/** A slower round trip tells too little. */
const MAX_RTT_MS = 1_000;
const READ_TIMEOUT_MS = 2_000;

/**
 * @param isWanted false while another node of the machine reports.
 */
export function clockOffset(nats: NatsHandle, isWanted: () => boolean, logger: Logger): ClockOffset {
  let offsetSeconds: number | undefined;
  let nextAt = 0;
  return {
    onAcknowledged(acknowledged) {
      const now = performance.now();
      if (now < nextAt || !isWanted() || acknowledged.isRepeat || acknowledged.rttMs > MAX_RTT_MS) return;
      nextAt = now + RETRY_AFTER_MS;
      storedAtMs(nats, acknowledged).then(
        (storedMs) => {
          if (storedMs === undefined) return;
          nextAt = now + MEASURE_EVERY_MS;
          offsetSeconds = (acknowledged.sentAtMs + acknowledged.rttMs / 2 - storedMs) / 1_000;
        },
        (error: unknown) => logger.debug({ err: error }, 'the clock could not be compared with NATS'),
      );
    },
    take() {
      const offset = offsetSeconds;
      offsetSeconds = undefined;
      return offset;
    },
  };
}

/**
 * When JetStream stored `acknowledged`; undefined when another message of ours has followed it. Direct get by subject
 * (allowed by subject, so that a node may read its own messages only).
 */
async function storedAtMs(nats: NatsHandle, acknowledged: Acknowledged): Promise<number | undefined> {
  const subject = `$JS.API.DIRECT.GET.${TELEMETRY_STREAM}.${acknowledged.subject}`;
  const message = await nats.connection?.request(subject, '', { timeout: READ_TIMEOUT_MS });
  if (message?.headers?.get('Nats-Sequence') !== String(acknowledged.streamSequence)) return undefined;
  const storedMs = Date.parse(message.headers.get('Nats-Time-Stamp'));
  return Number.isFinite(storedMs) ? storedMs : undefined;
}
