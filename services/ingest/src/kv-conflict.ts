/** How a compare-and-set on a KV bucket says that somebody else was faster. Used by leases and by the progress record. */
import { JetStreamApiCodes, JetStreamApiError } from '@nats-io/jetstream';

/** True when `error` means that the key has another revision than the caller thought. */
export function isConflict(error: unknown): boolean {
  return (
    error instanceof JetStreamApiError &&
    (error.code === JetStreamApiCodes.StreamWrongLastSequence ||
      error.code === JetStreamApiCodes.StreamWrongLastSequenceUnknown)
  );
}
