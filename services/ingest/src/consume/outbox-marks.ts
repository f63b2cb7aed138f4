/**
 * How far each node's outbox has been taken: what recognises a message that was sent again, however long ago, and what
 * counts the ones that never came. A node publishes its outbox in order, so one number per outbox says it all; while the
 * newest messages are taken ahead of a backlog (lanes.ts), spans of numbers stand beyond it for a while.
 * It is part of the partition's progress record. Before it: messages of the stream; after it: the batch.
 */
import type { TelemetryMessage } from '../decode/batch.ts';

/**
 * One outbox: its id, the number up to which all is taken or will never come, when a message of it was last seen (Unix
 * ms, by JetStream's clock), then first and last of each span that was taken ahead, ascending.
 */
export type OutboxMark = readonly [id: string, sequence: number, seenAtMs: number, ...ahead: number[]];

/** Marks by node, newest outbox last. */
export type OutboxMarksRecord = Record<string, readonly OutboxMark[]>;

/** What a message is to the marks; `lost` = messages of its outbox that should have come before it and did not. */
export type Seen = { readonly isRepeat: true } | { readonly isRepeat: false; readonly lost: number };

/** A node that loses its outbox again and again keeps the last ones only, so that the record stays small. */
const OUTBOXES_PER_NODE = 4;
/** Twice the age a message can reach in an outbox and in JetStream together. */
const FORGET_AFTER_MS = 28 * 86_400_000;
/** Place in a mark where the spans begin. */
const SPANS = 3;

/** The marks of one partition. A mark belongs to a node, so that no node can make another's messages look repeated. */
export class OutboxMarks {
  readonly #nodes: Map<string, OutboxMark[]>;
  #newestMs = 0;

  constructor(record: OutboxMarksRecord) {
    this.#nodes = new Map(Object.entries(record).map(([node, marks]) => [node, [...marks]]));
  }

  /**
   * Takes note of a message. Messages without an outbox are never repeats.
   * @param isAhead messages before this one are still to come; else it is the next one of the stream.
   */
  see(message: TelemetryMessage, isAhead = false): Seen {
    this.#newestMs = Math.max(this.#newestMs, message.storedAtMs);
    const { outbox, storedAtMs } = message;
    if (outbox === undefined) return { isRepeat: false, lost: 0 };
    const marks = this.#nodes.get(message.node) ?? [];
    const at = marks.findIndex(([id]) => id === outbox.id);
    const mark = marks[at] ?? [outbox.id, 0, storedAtMs];
    const last = mark[1];
    if (outbox.sequence <= last || isCovered(mark, outbox.sequence)) return { isRepeat: true };
    const ahead = mark.length > SPANS || isAhead ? (mark.slice(SPANS) as number[]) : NO_SPANS;
    // of an outbox met for the first time, earlier messages may be older than this system
    const lost = isAhead || last === 0 ? 0 : uncovered(ahead, last, outbox.sequence);
    const next = isAhead
      ? joined(last, withNumber(ahead, outbox.sequence))
      : joined(outbox.sequence, ahead.length === 0 ? ahead : spansAfter(ahead, outbox.sequence));
    const seen: OutboxMark = [outbox.id, next.last, Math.max(mark[2], storedAtMs), ...next.ahead];
    if (at >= 0) marks[at] = seen;
    else {
      marks.push(seen);
      if (marks.length > OUTBOXES_PER_NODE) marks.splice(oldestOf(marks), 1);
    }
    this.#nodes.set(message.node, marks);
    return { isRepeat: false, lost };
  }

  /** The backlog is read: what is missing below what was taken ahead never came. Gives how many messages that are. */
  closeGaps(): number {
    let lost = 0;
    for (const marks of this.#nodes.values()) {
      for (const [at, mark] of marks.entries()) {
        if (mark.length === SPANS) continue;
        const [id, last, seenAtMs, ...ahead] = mark;
        const end = ahead.at(-1) as number;
        lost += uncovered(ahead, last === 0 ? (ahead[0] as number) - 1 : last, end + 1);
        marks[at] = [id, end, seenAtMs];
      }
    }
    return lost;
  }

  /** For the progress record, of its own memory; forgets nodes not heard of for {@link FORGET_AFTER_MS}. */
  toRecord(): OutboxMarksRecord {
    const record: Record<string, readonly OutboxMark[]> = {};
    for (const [node, marks] of this.#nodes) {
      if (marks.every(([, , seenAtMs]) => seenAtMs < this.#newestMs - FORGET_AFTER_MS)) this.#nodes.delete(node);
      else record[node] = [...marks];
    }
    return record;
  }
}

const NO_SPANS: number[] = [];

function isCovered(mark: OutboxMark, sequence: number): boolean {
  for (let i = SPANS; i < mark.length; i += 2) {
    if (sequence >= (mark[i] as number) && sequence <= (mark[i + 1] as number)) return true;
  }
  return false;
}

/** Numbers between `last` and `sequence`, without both, that are in none of the spans. */
function uncovered(spans: readonly number[], last: number, sequence: number): number {
  let count = sequence - last - 1;
  for (let i = 0; i < spans.length; i += 2) {
    const from = Math.max(spans[i] as number, last + 1);
    const to = Math.min(spans[i + 1] as number, sequence - 1);
    count -= Math.max(0, to - from + 1);
  }
  return count;
}

/** The spans and one number more, which is in none of them. */
function withNumber(spans: readonly number[], sequence: number): number[] {
  const result: number[] = [];
  let [from, to] = [sequence, sequence];
  let isPlaced = false;
  for (let i = 0; i < spans.length; i += 2) {
    const [first, last] = [spans[i] as number, spans[i + 1] as number];
    if (last + 1 === from) from = first;
    else if (to + 1 === first) to = last;
    else if (last < from) result.push(first, last);
    else {
      if (!isPlaced) result.push(from, to);
      isPlaced = true;
      result.push(first, last);
    }
  }
  if (!isPlaced) result.push(from, to);
  return result;
}

function spansAfter(spans: readonly number[], sequence: number): number[] {
  const first = spans.findIndex((bound, at) => at % 2 === 0 && bound > sequence);
  return first < 0 ? [] : spans.slice(first);
}

/** `last` moved over the spans that follow on it at once. */
function joined(last: number, spans: number[]): { last: number; ahead: number[] } {
  let at = 0;
  let moved = last;
  while (at < spans.length && spans[at] === moved + 1) {
    moved = spans[at + 1] as number;
    at += 2;
  }
  return { last: moved, ahead: at === 0 ? spans : spans.slice(at) };
}

function oldestOf(marks: readonly OutboxMark[]): number {
  let oldest = 0;
  for (const [at, [, , seenAtMs]] of marks.entries()) {
    if (seenAtMs < (marks[oldest] as OutboxMark)[2]) oldest = at;
  }
  return oldest;
}
