/**
 * Turns OTLP log records into rows: Weir's events into `connection_events` and `failovers`, all others into `logs`.
 * An event with a broken field becomes a log row, so that nothing is lost and it can be looked at.
 */
import { CONNECTION_ATTRIBUTE, EVENT, FAILOVER_ATTRIBUTE } from '@weir/contracts/events';
import { attributeText } from '@weir/contracts/otlp/attributes';
import type { LogRecord, LogsVisitor } from '@weir/contracts/otlp/logs';
import { TABLE } from '@weir/contracts/tables';
import type { DecodeCounts } from './decode-counts.ts';
import { clampedInteger, textAttributes, UINT32_MAX } from './identity.ts';
import type { ResourceEntry } from './resource-cache.ts';
import { type JsonRows, jsonTime } from './rows.ts';
import type { TimeWindow } from './time-window.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** A connection lives so long at most, as far as the tables go (they are partitioned by its beginning). */
const MAX_CONNECTION_MS = 365 * 86_400_000;
const SEVERITIES = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];
const UINT16_MAX = 65_535;

/** Where the rows go. */
export interface LogsTarget {
  readonly rows: JsonRows;
  readonly counts: DecodeCounts;
}

/** Decodes one message after the other; {@link LogsDecoder.start} says whose it is. */
export class LogsDecoder implements LogsVisitor {
  readonly #target: LogsTarget;
  readonly #onResource: (bytes: Buffer) => ResourceEntry;
  #window: TimeWindow | undefined;
  #who = '';

  /** @param onResource gives the entry of a resource, or throws what makes the whole message unusable. */
  constructor(target: LogsTarget, onResource: (bytes: Buffer) => ResourceEntry) {
    this.#target = target;
    this.#onResource = onResource;
  }

  /** Begins a message. */
  start(window: TimeWindow): void {
    this.#window = window;
  }

  resource(bytes: Buffer): boolean {
    const { cluster, site, machineId, node } = this.#onResource(bytes).facts.identity;
    this.#who = JSON.stringify({ cluster, site, machine_id: machineId, node }).slice(1, -1);
    return true;
  }

  record(record: LogRecord): void {
    const window = this.#window as TimeWindow;
    const timeMs = record.timeMs === 0 ? window.storedAtMs : record.timeMs;
    if (!window.holds(timeMs)) {
      this.#target.counts.skip('time', 1);
      return;
    }
    window.saw(timeMs);
    const isEvent = this.#event(record, timeMs);
    if (!isEvent) this.#log(record, timeMs);
  }

  /** True when the record was one of Weir's events and became a row. */
  #event(record: LogRecord, timeMs: number): boolean {
    switch (record.eventName) {
      case EVENT.connectionOpened:
        return this.#connection(record, timeMs, 0);
      case EVENT.connectionClosed:
        return this.#connection(record, timeMs, 1);
      case EVENT.failover:
        return this.#failover(record, timeMs);
      default:
        return false;
    }
  }

  #connection(record: LogRecord, timeMs: number, version: 0 | 1): boolean {
    const text = (name: string) => attributeText(record.attributes.get(name));
    const integer = (name: string, maximum = Number.MAX_SAFE_INTEGER) =>
      clampedInteger(record.attributes.get(name), maximum);
    const id = text(CONNECTION_ATTRIBUTE.id);
    const openedAtMs = integer(CONNECTION_ATTRIBUTE.openedAtMs);
    if (
      !UUID.test(id) ||
      openedAtMs < timeMs - MAX_CONNECTION_MS ||
      !(this.#window as TimeWindow).isBeforeEnd(openedAtMs)
    ) {
      this.#target.counts.brokenEvents++;
      return false;
    }
    const fields = JSON.stringify({
      connection_id: id,
      version,
      role: text(CONNECTION_ATTRIBUTE.role),
      protocol: text(CONNECTION_ATTRIBUTE.protocol),
      app: text(CONNECTION_ATTRIBUTE.app),
      stream: text(CONNECTION_ATTRIBUTE.stream),
      client_address: text(CONNECTION_ATTRIBUTE.clientAddress),
      client_port: integer(CONNECTION_ATTRIBUTE.clientPort, UINT16_MAX),
      session_id: text(CONNECTION_ATTRIBUTE.session),
      user_agent: text(CONNECTION_ATTRIBUTE.userAgent),
      reason: text(CONNECTION_ATTRIBUTE.reason),
      bytes_in: integer(CONNECTION_ATTRIBUTE.bytesIn),
      bytes_queued: integer(CONNECTION_ATTRIBUTE.bytesQueued),
      bytes_delivered: integer(CONNECTION_ATTRIBUTE.bytesDelivered),
      frames_dropped: integer(CONNECTION_ATTRIBUTE.framesDropped),
    });
    const times = `"opened_at":${jsonTime(openedAtMs)},"closed_at":${jsonTime(version === 1 ? timeMs : 0)}`;
    this.#target.rows.add(TABLE.connectionEvents, `{${times},${this.#who},${fields.slice(1)}`);
    return true;
  }

  #failover(record: LogRecord, timeMs: number): boolean {
    const text = (name: string) => attributeText(record.attributes.get(name));
    const integer = (name: string) => clampedInteger(record.attributes.get(name), UINT32_MAX);
    const fields = JSON.stringify({
      app: text(FAILOVER_ATTRIBUTE.app),
      stream: text(FAILOVER_ATTRIBUTE.stream),
      cause: text(FAILOVER_ATTRIBUTE.cause),
      from_node: text(FAILOVER_ATTRIBUTE.from),
      to_node: text(FAILOVER_ATTRIBUTE.to),
      gap_ms: integer(FAILOVER_ATTRIBUTE.gapMs),
      media_gap_ms: record.attributes.has(FAILOVER_ATTRIBUTE.mediaGapMs)
        ? integer(FAILOVER_ATTRIBUTE.mediaGapMs)
        : null,
      viewers: integer(FAILOVER_ATTRIBUTE.viewers),
    });
    this.#target.rows.add(TABLE.failovers, `{"time":${jsonTime(timeMs)},${this.#who},${fields.slice(1)}`);
    return true;
  }

  #log(record: LogRecord, timeMs: number): void {
    const fields = JSON.stringify({
      event_name: record.eventName,
      severity: record.severityText || severity(record.severityNumber),
      body: attributeText(record.body),
      attributes: textAttributes(record.attributes),
    });
    this.#target.rows.add(TABLE.logs, `{"time":${jsonTime(timeMs)},${this.#who},${fields.slice(1)}`);
  }
}

/** Name of a severity number: 1-4 TRACE, 5-8 DEBUG … 21-24 FATAL. */
function severity(number: number): string {
  return SEVERITIES[Math.floor((number - 1) / 4)] ?? '';
}
