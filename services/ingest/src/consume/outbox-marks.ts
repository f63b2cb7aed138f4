/**
 * How far each node's outbox has been taken: what recognises a message that was sent again, however long ago, and what
 * counts the ones that never came. A node publishes its outbox strictly in order, so one number per outbox is enough.
 * It is part of the partition's progress record. Before it: messages in the order of the stream; after it: the batch.
 */
import type { TelemetryMessage } from '../decode/batch.ts';

/** One outbox: its id, the highest sequence taken, and when (Unix ms, by JetStream's clock). */
export type OutboxMark = readonly [id: string, sequence: number, seenAtMs: number];

/** Marks by node, newest outbox last. */
export type OutboxMarksRecord = Record<string, readonly OutboxMark[]>;

/** What a message is to the marks; `lost` = messages of its outbox that should have come before it and did not. */
export type Seen = { readonly isRepeat: true } | { readonly isRepeat: false; readonly lost: number };

/** A node that loses its outbox again and again keeps the last ones only, so that the record stays small. */
const OUTBOXES_PER_NODE = 4;
/** Twice the age a message can reach in an outbox and in JetStream together. */
const FORGET_AFTER_MS = 28 * 86_400_000;

/** The marks of one partition. A mark belongs to a node, so that no node can make another's messages look repeated. */
export class OutboxMarks {
  readonly #nodes: Map<string, OutboxMark[]>;
  #newestMs = 0;

  constructor(record: OutboxMarksRecord) {
    this.#nodes = new Map(Object.entries(record).map(([node, marks]) => [node, [...marks]]));
  }

  /** Takes note of a message, the next one of the stream. Messages without an outbox are never repeats. */
  see(message: TelemetryMessage): Seen {
    this.#newestMs = Math.max(this.#newestMs, message.storedAtMs);
    const { outbox } = message;
    if (outbox === undefined) return { isRepeat: false, lost: 0 };
    const marks = this.#nodes.get(message.node) ?? [];
    const at = marks.findIndex(([id]) => id === outbox.id);
    const last = at < 0 ? 0 : (marks[at] as OutboxMark)[1];
    if (outbox.sequence <= last) return { isRepeat: true };
    const mark: OutboxMark = [outbox.id, outbox.sequence, message.storedAtMs];
    if (at >= 0) marks[at] = mark;
    else {
      marks.push(mark);
      if (marks.length > OUTBOXES_PER_NODE) marks.shift();
    }
    this.#nodes.set(message.node, marks);
    // of an outbox met for the first time, earlier messages may be older than this system
    return { isRepeat: false, lost: at < 0 ? 0 : outbox.sequence - last - 1 };
  }

  /** For the progress record; forgets nodes not heard of for {@link FORGET_AFTER_MS}. */
  toRecord(): OutboxMarksRecord {
    for (const [node, marks] of this.#nodes) {
      if (marks.every(([, , seenAtMs]) => seenAtMs < this.#newestMs - FORGET_AFTER_MS)) this.#nodes.delete(node);
    }
    return Object.fromEntries(this.#nodes);
  }
}
