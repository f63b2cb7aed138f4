/**
 * What machines, nodes and OTLP senders say of themselves, on its way to rows. Every message carries it, so it is written
 * at once when it is new or has changed, and else every few seconds for all who were heard of together: one insert for
 * many instead of one per batch. A crash in between costs nothing, the next message says it again.
 * Before it: resources; after it: the rows of a batch.
 */
import { TABLE } from '@weir/contracts/tables';
import type { ResourceFacts } from './identity.ts';
import { type JsonRows, type JsonTable, jsonTime } from './rows.ts';

/** By JetStream's clock. */
const REPORT_EVERY_MS = 5_000;
/** Who is remembered as written at most; beyond, all are written anew. */
const MAX_KNOWN = 50_000;

interface Report {
  /** Whose it is. */
  readonly key: string;
  readonly table: JsonTable;
  readonly json: string;
  readonly timeMs: number;
}

/** Reports of one partition. */
export class Reports {
  /** Heard of since it was written last, the newest each; what is older than all that was written stands apart. */
  readonly #waiting = new Map<string, Report>();
  /** What was written last of each, and the earliest time written. */
  readonly #written = new Map<string, { json: string; earliestMs: number }>();
  #isUrgent = false;
  #writtenAtMs = 0;

  /** Takes note of a resource; `timeMs` is the time it speaks of. */
  note({ identity, machineReport, nodeReport, senderReport }: ResourceFacts, timeMs: number): void {
    const { cluster, machineId, node } = identity;
    // nodes of one machine say different things of themselves in it
    if (machineReport !== undefined)
      this.#put(`m\n${cluster}\n${machineId}\n${node}`, TABLE.machineReports, machineReport, timeMs);
    if (nodeReport !== undefined) this.#put(`n\n${cluster}\n${node}`, TABLE.nodeReports, nodeReport, timeMs);
    if (senderReport !== undefined) this.#put(`s\n${cluster}\n${node}`, TABLE.otlpSenders, senderReport, timeMs);
  }

  /** Adds to `rows` what is due in a batch whose last message JetStream stored at `storedAtMs`. */
  addDue(rows: JsonRows, storedAtMs: number): void {
    const isTime = storedAtMs - this.#writtenAtMs >= REPORT_EVERY_MS;
    if (!isTime && !this.#isUrgent) return;
    if (this.#written.size > MAX_KNOWN) this.#written.clear();
    for (const [place, { key, table, json, timeMs }] of this.#waiting) {
      const written = this.#written.get(key);
      if (!isTime && written?.json === json && timeMs >= written.earliestMs) continue;
      rows.add(table, `{"time":${jsonTime(timeMs)},${json}}`);
      this.#written.set(key, { json, earliestMs: Math.min(timeMs, written?.earliestMs ?? timeMs) });
      this.#waiting.delete(place);
    }
    this.#isUrgent = false;
    if (isTime) this.#writtenAtMs = storedAtMs;
  }

  #put(key: string, table: JsonTable, json: string, timeMs: number): void {
    const written = this.#written.get(key);
    // out of a backlog that is read after what is newer: since when it is known is a figure of its own
    const isEarliest = written !== undefined && timeMs < written.earliestMs;
    const place = isEarliest ? `${key}\nearliest` : key;
    const known = this.#waiting.get(place);
    // of equally new ones the last
    if (known && (isEarliest ? known.timeMs <= timeMs : known.timeMs > timeMs)) return;
    this.#waiting.set(place, { key, table, json, timeMs });
    if (isEarliest || written?.json !== json) this.#isUrgent = true;
  }
}
