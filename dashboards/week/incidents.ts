/**
 * What goes wrong in the generated week, and when: the one truth that the generator plants and the tests look for.
 * All times are counted back from the end of the week, which is now, so that time-to-live rules do not eat the data.
 */

/** One planted incident; `startMs` and `endMs` are Unix times, whole minutes. */
export interface Incident {
  readonly name: IncidentName;
  /** Node, stream or cluster it happens to. */
  readonly subject: string;
  readonly startMs: number;
  readonly endMs: number;
  /** No rule that looks at single samples is concerned: rows of one minute do. */
  readonly coarse: boolean;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

interface Plan {
  readonly hoursAgo: number;
  readonly minutes: number;
  readonly subject: string;
  readonly coarse?: boolean;
}

/** Hours before the end of the week, minutes of length, whom it strikes. */
const PLAN = {
  'cluster-full': { hoursAgo: 84, minutes: 5, subject: '', coarse: true },
  'all-silent': { hoursAgo: 64, minutes: 6, subject: '' },
  'ingest-lag': { hoursAgo: 60, minutes: 10, subject: '' },
  'vrrp-split': { hoursAgo: 58, minutes: 10, subject: 'director-2', coarse: true },
  'outbox-filling': { hoursAgo: 56, minutes: 12, subject: 'edge-06' },
  'address-lost': { hoursAgo: 54, minutes: 5, subject: '', coarse: true },
  'vrrp-flapping': { hoursAgo: 52, minutes: 8, subject: 'director-1', coarse: true },
  'connection-spike': { hoursAgo: 50, minutes: 8, subject: 'edge-07' },
  'no-servers': { hoursAgo: 48, minutes: 6, subject: 'director-1', coarse: true },
  'dns-group-down': { hoursAgo: 46, minutes: 8, subject: 'dns-1', coarse: true },
  drain: { hoursAgo: 44, minutes: 30, subject: 'edge-18' },
  'dns-failing': { hoursAgo: 42, minutes: 6, subject: 'dns-1', coarse: true },
  'director-dead': { hoursAgo: 40, minutes: 30, subject: 'director-2' },
  'cpu-full': { hoursAgo: 38, minutes: 20, subject: 'edge-14' },
  'dead-letters': { hoursAgo: 36, minutes: 1, subject: '' },
  'start-slow': { hoursAgo: 35, minutes: 15, subject: 'live/concert', coarse: true },
  'limit-near': { hoursAgo: 33, minutes: 20, subject: 'edge-01' },
  'node-dead': { hoursAgo: 30, minutes: 40, subject: 'edge-12' },
  'clock-off': { hoursAgo: 26, minutes: 30, subject: 'edge-05' },
  'delay-high': { hoursAgo: 24, minutes: 15, subject: 'edge-15', coarse: true },
  'origin-lost': { hoursAgo: 20, minutes: 10, subject: 'origin-1' },
  'memory-full': { hoursAgo: 17, minutes: 20, subject: 'edge-10' },
  'publisher-flapping': { hoursAgo: 14, minutes: 8, subject: 'live/news' },
  'stream-orphaned': { hoursAgo: 11, minutes: 12, subject: 'sport/final "2026"' },
  'edge-slow': { hoursAgo: 8, minutes: 20, subject: 'edge-03' },
  'disk-full': { hoursAgo: 5, minutes: 30, subject: 'edge-09' },
} as const satisfies Record<string, Plan>;

/** Every incident of the noisy week by name. */
export type IncidentName = keyof typeof PLAN;

/** The incidents of a week that ends at `endMs`; none for a quiet week. */
export function plantIncidents(endMs: number): ReadonlyMap<IncidentName, Incident> {
  return new Map(
    Object.entries<Plan>(PLAN).map(([name, plan]) => {
      const startMs = endMs - plan.hoursAgo * HOUR_MS;
      const incident = {
        name: name as IncidentName,
        subject: plan.subject,
        startMs,
        endMs: startMs + plan.minutes * MINUTE_MS,
        coarse: plan.coarse ?? false,
      };
      return [incident.name, incident];
    }),
  );
}
