/** How tests ask: a panel as Grafana would, over the last hours of the week or around one of its incidents. */
import assert from 'node:assert/strict';
import { ALL_DASHBOARDS } from '@weir/dashboards/all';
import { panelsOf } from '@weir/dashboards/build/dashboards';
import type { DashboardName } from '@weir/dashboards/build/panel-spec';
import { type CheckedQuery, type CheckOptions, checkPanel } from '@weir/dashboards/check/run';
import type { Incident, IncidentName } from '@weir/dashboards/week/incidents';
import type { TestWeek } from '@weir/test/harness/week';

export const HOUR_MS = 3_600_000;
/** Queries and tests at once where no time is taken: the engine is busy while the next query is on its way. */
export const AT_ONCE = 4;

export type Row = Record<string, unknown>;

/** Questions to the noisy week. */
export interface Asking {
  readonly lastHours: (hours: number) => CheckOptions;
  /** The rows of a panel; its answer has no problems. */
  readonly panel: (name: DashboardName, id: number, options: CheckOptions) => Promise<Row[]>;
  readonly incident: (name: IncidentName) => Incident;
  /** From a minute before an incident until its end: what is looked at while it lasts. */
  readonly around: (name: IncidentName) => CheckOptions;
  /** Three hours before and after an incident began: panels read minutes there, not samples. */
  readonly hoursAround: (name: IncidentName) => CheckOptions;
}

/** See {@link Asking}. */
export function asking(get: () => TestWeek): Asking {
  const incident = (name: IncidentName): Incident => {
    const found = get().noisy.incidents.get(name);
    assert.ok(found);
    return found;
  };
  return {
    incident,
    lastHours(hours) {
      const { ask, noisy } = get();
      return { ask, fromMs: noisy.endMs - hours * HOUR_MS, toMs: noisy.endMs, atOnce: AT_ONCE };
    },
    async panel(name, id, options) {
      const spec = ALL_DASHBOARDS.find((dashboard) => dashboard.name === name);
      const found = spec && panelsOf(spec).find((candidate) => candidate.id === id);
      assert.ok(found, `${name} has a panel ${id}`);
      const checked = await checkPanel(name, found, options);
      assert.deepEqual(problems(checked), []);
      return checked.flatMap(({ answer }) => [...(answer?.rows ?? [])]);
    },
    around(name) {
      const { startMs, endMs } = incident(name);
      return { ask: get().ask, fromMs: startMs - 60_000, toMs: endMs };
    },
    hoursAround(name) {
      const { startMs } = incident(name);
      return { ask: get().ask, fromMs: startMs - 3 * HOUR_MS, toMs: startMs + 3 * HOUR_MS };
    },
  };
}

/** One sentence for each thing that is wrong. */
export function problems(checked: readonly CheckedQuery[]): string[] {
  return checked.flatMap((query) =>
    query.problems.map((text) => `${query.place} / ${query.name} ${query.refId} ${text}`),
  );
}
