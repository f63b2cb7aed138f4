/**
 * How long a whole dashboard takes: its queries one after the other, and as many at once as a browser asks for. For
 * `weir dashboards check --times`, the tests and the figures in the README.
 */
import { ALL_DASHBOARDS } from '../all.ts';
import { type CheckedQuery, type CheckOptions, dashboardChecks, runAll } from './run.ts';

/** Requests a browser has under way to one server over HTTP/1.1: so many panels of Grafana load at a time. */
const BROWSER_REQUESTS = 6;

/** Times of one dashboard. */
export interface DashboardTime {
  readonly title: string;
  /** Sum over the queries when each waits for the one before. */
  readonly inSequenceMs: number;
  /** From the first question to the last answer, {@link BROWSER_REQUESTS} at once. */
  readonly atOnceMs: number;
  /** The queries of the first opening, in their order. */
  readonly checked: readonly CheckedQuery[];
}

/** Each dashboard opened once in each way, in sequence first: what is in no cache yet counts there. */
export async function timeDashboards(options: CheckOptions): Promise<DashboardTime[]> {
  const times: DashboardTime[] = [];
  for (const spec of ALL_DASHBOARDS) {
    const checks = dashboardChecks(spec, options);
    const one = (await runAll(checks, 1)).flat();
    const startedAt = performance.now();
    await runAll(checks, BROWSER_REQUESTS);
    const atOnceMs = performance.now() - startedAt;
    const inSequenceMs = one.reduce((sum, query) => sum + elapsed(query), 0);
    times.push({ title: spec.title, inSequenceMs, atOnceMs, checked: one });
  }
  return times;
}

/** A Markdown table, a line per dashboard. */
export function timeTable(times: readonly DashboardTime[]): string {
  const ms = (value: number): string => `${value.toFixed(0)} ms`;
  return [
    '| dashboard | queries | one after the other | six at once | slowest query |',
    '| --- | --- | --- | --- | --- |',
    ...times.map(({ title, inSequenceMs, atOnceMs, checked }) => {
      const [slowest] = checked.toSorted((a, b) => elapsed(b) - elapsed(a));
      const worst = slowest ? `${ms(elapsed(slowest))}: ${slowest.name}` : '';
      return `| ${title} | ${checked.length} | ${ms(inSequenceMs)} | ${ms(atOnceMs)} | ${worst} |`;
    }),
  ].join('\n');
}

function elapsed({ answer }: CheckedQuery): number {
  return answer?.elapsedMs ?? 0;
}
