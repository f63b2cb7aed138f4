/**
 * What Grafana does with a rule's rows, for tests: the threshold, the pending time and the time a rule keeps firing, per set
 * of labels. Source: Grafana's documentation of alert rule evaluation.
 */
import type { AlertRule } from './rule.ts';

/** One row of a rule's query. */
export interface RuleRow {
  readonly [label: string]: string | number | null;
}

/** A time in which a rule fired for one set of labels, Unix seconds. */
export interface Firing {
  readonly rule: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly fromSeconds: number;
  readonly toSeconds: number;
}

/** The label sets whose rows are above the threshold now. */
export function breaching(rule: AlertRule, rows: readonly RuleRow[]): Map<string, Record<string, string>> {
  const found = new Map<string, Record<string, string>>();
  for (const row of rows) {
    if (!(Number(row.value) > rule.above)) continue;
    const labels = Object.fromEntries(rule.labels.map((label) => [label, String(row[label])]));
    found.set(JSON.stringify(labels), labels);
  }
  return found;
}

interface State {
  labels: Record<string, string>;
  pendingSince: number;
  firingSince: number | undefined;
  lastSeen: number;
}

/** Follows one rule through its evaluations, in order of time. */
export class RuleState {
  readonly #rule: AlertRule;
  readonly #states = new Map<string, State>();
  readonly #done: Firing[] = [];

  constructor(rule: AlertRule) {
    this.#rule = rule;
  }

  /** Takes the rows of one evaluation. */
  evaluate(atSeconds: number, rows: readonly RuleRow[]): void {
    const now = breaching(this.#rule, rows);
    for (const [key, labels] of now) {
      const state = this.#states.get(key) ?? {
        labels,
        pendingSince: atSeconds,
        firingSince: undefined,
        lastSeen: atSeconds,
      };
      state.lastSeen = atSeconds;
      if (state.firingSince === undefined && atSeconds - state.pendingSince >= this.#rule.forMinutes * 60) {
        state.firingSince = atSeconds;
      }
      this.#states.set(key, state);
    }
    const keepSeconds = (this.#rule.keepMinutes ?? 0) * 60;
    for (const [key, state] of this.#states) {
      if (now.has(key)) continue;
      if (state.firingSince !== undefined && atSeconds - state.lastSeen < keepSeconds) continue;
      this.#end(key, state, atSeconds);
    }
  }

  /** All firings so far; those still going end at `atSeconds`. */
  finish(atSeconds: number): Firing[] {
    for (const [key, state] of this.#states) this.#end(key, state, atSeconds);
    return this.#done.toSorted((a, b) => a.fromSeconds - b.fromSeconds);
  }

  #end(key: string, state: State, atSeconds: number): void {
    this.#states.delete(key);
    if (state.firingSince === undefined) return;
    const { labels, firingSince } = state;
    this.#done.push({ rule: this.#rule.name, labels, fromSeconds: firingSince, toSeconds: atSeconds });
  }
}
