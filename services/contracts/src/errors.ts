/**
 * The one error base of every part. A caller decides by `code` and `retryable`, never by message text;
 * a person reads `message`: one sentence that names what, where and the mend.
 */

/** Options of {@link WeirError}. */
export interface WeirErrorOptions {
  /** True when the same call may succeed later without anybody changing anything. Default false. */
  retryable?: boolean;
  /** What was caught, kept for the log. */
  cause?: unknown;
}

/** Base of all errors Weir throws. `code` is SCREAMING_SNAKE with the part's name in front, e.g. `EDGE_PORT_TAKEN`. */
export class WeirError extends Error {
  readonly code: string;
  readonly retryable: boolean;

  constructor(code: string, message: string, options: WeirErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'WeirError';
    this.code = code;
    this.retryable = options.retryable ?? false;
  }
}

/** Configuration that cannot be used; never retryable. */
export class ConfigError extends WeirError {
  constructor(code: string, message: string, options: WeirErrorOptions = {}) {
    super(code, message, options);
    this.name = 'ConfigError';
  }
}

/** The system or library error code of `error` (`EADDRINUSE`, `ENOENT` …), or undefined. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The message of anything that was thrown, for a log line or a sentence. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
