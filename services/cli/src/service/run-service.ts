/**
 * Runs one long-lived part in this process: says when it is ready (to the supervisor by IPC, else on stdout; to systemd
 * where it asks), and ends it in good order on a signal or when the supervisor is gone. Before it: a command; after it:
 * the part's main.ts.
 */
import { createLogger, type Logger, type LogLevel } from '@weir/contracts/logger';
import { systemdNotify } from './systemd-notify.ts';

/** A part that runs. */
export interface RunningPart {
  /** Where it is reached, by what for. */
  urls: Readonly<Record<string, string>>;
  /** Resolves with the reason when it ends by itself. Absent: it never does. */
  ended?: Promise<string>;
  /** Ends it in good order. */
  close(): Promise<void>;
}

/** What a child tells its supervisor once it serves. */
export interface ReadyMessage {
  type: 'ready';
  urls: Readonly<Record<string, string>>;
  pid: number;
}

/** Options of {@link runService}. */
export interface ServiceOptions {
  /** Names the log lines. */
  part: string;
  logLevel: LogLevel;
  /** Print one JSON line on stdout when ready. */
  json: boolean;
  start(logger: Logger): Promise<RunningPart>;
}

/** Whatever hangs in close() does not hold the process longer than this. */
const CLOSE_DEADLINE_MS = 4_000;

/** Starts the part, serves until told to stop, closes it. Resolves with the exit status. */
export async function runService(options: ServiceOptions): Promise<number> {
  const logger = createLogger(options.part, options.logLevel);
  const stop = stopRequested();
  const systemd = systemdNotify(process.env);
  const part = await options.start(logger);
  const message: ReadyMessage = { type: 'ready', urls: part.urls, pid: process.pid };
  if (process.send) process.send(message);
  else if (options.json) process.stdout.write(`${JSON.stringify(message)}\n`);
  logger.info({ urls: part.urls }, 'ready');
  systemd?.ready();
  const why = await (part.ended ? Promise.race([stop, part.ended]) : stop);
  logger.info({ why }, 'stopping');
  systemd?.stopping();
  const deadline = setTimeout(() => {
    logger.error({ deadlineMs: CLOSE_DEADLINE_MS }, 'not closed in time, leaving');
    process.exit(1);
  }, CLOSE_DEADLINE_MS);
  await part.close();
  systemd?.close();
  clearTimeout(deadline);
  // An open IPC channel would keep the process alive.
  if (process.connected) process.disconnect?.();
  return 0;
}

/** Resolves with the reason once somebody wants the process to end. */
export function stopRequested(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve(signal));
    if (process.send) process.once('disconnect', () => resolve('supervisor gone'));
  });
}
