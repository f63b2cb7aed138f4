/**
 * Writes down what is done by the admin API: as a telemetry event, which ends as a row in SQL, and as a line of the log.
 * Attempts without a right are written down once a second at most, so that a flood of them fills neither.
 */
import type { Logger } from '@weir/contracts/logger';
import type { AdminAction } from '../stats.ts';

const DENIED_EVERY_MS = 1_000;

/** One per node. */
export class Audit {
  readonly #tell: (action: AdminAction) => void;
  readonly #logger: Logger;
  #lastDeniedMs = 0;
  #suppressed = 0;

  constructor(tell: (action: AdminAction) => void, logger: Logger) {
    this.#tell = tell;
    this.#logger = logger;
  }

  /** An action, done or not. */
  note(action: AdminAction): void {
    if (action.action === 'denied') {
      if (action.atMs - this.#lastDeniedMs < DENIED_EVERY_MS) {
        this.#suppressed += 1;
        return;
      }
      this.#lastDeniedMs = action.atMs;
      if (this.#suppressed > 0) action.detail += ` (${this.#suppressed} more before)`;
      this.#suppressed = 0;
    }
    this.#tell(action);
    this.#logger.info({ ...action }, 'admin action');
  }
}
