/**
 * Writes down what operators do to the node, by the admin API or by NATS (`weir drain`): as a telemetry event, which ends
 * as a row in SQL, and as a line of the log. Attempts without a right are written down once a second at most, so that a flood of them fills neither.
 */
import type { Logger } from '@weir/contracts/logger';
import type { AdminAction } from '../stats.ts';

const DENIED_EVERY_MS = 1_000;
/** Characters kept of what a caller calls itself. */
export const MAX_ACTOR = 200;

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

  /** Drain and its end by NATS: whoever may ask members may do it, and says itself who it is (`person@host`). */
  noteByCluster(action: 'drain' | 'serve', actor: string, deadlineMs?: number): void {
    const target = '';
    const detail = action === 'drain' ? drainDetail(deadlineMs) : '';
    const by = { right: 'cluster', actor: actor.slice(0, MAX_ACTOR), clientAddress: '' } as const;
    this.note({ action, target, outcome: 'done', detail, ...by, atMs: Date.now() });
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

/** What a drain is to do, for people. */
export function drainDetail(deadlineMs: number | undefined): string {
  return deadlineMs === undefined ? 'stays' : `ends within ${deadlineMs / 1_000} s`;
}
