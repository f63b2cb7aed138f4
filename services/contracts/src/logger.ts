/** One pino root per process; every component takes a child. Nothing is logged per packet. */
import { type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino';

export type Logger = PinoLogger;

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';

/**
 * The process's root logger: JSON lines on standard error (standard output belongs to results),
 * ISO time in UTC, `part` naming the service or node.
 */
export function createLogger(part: string, level: LogLevel): Logger {
  return pino({ level, base: { part, pid: process.pid }, timestamp: stdTimeFunctions.isoTime }, pino.destination(2));
}
