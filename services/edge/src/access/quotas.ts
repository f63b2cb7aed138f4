/**
 * What one app (a customer's channel) may use of the cluster, as configured: one line per app. Before it: `limits.apps`;
 * after it: the quota keeper, which compares it with what is used.
 */
import { ConfigError } from '@weir/contracts/errors';

/** Limits of one app; absent = none. */
export interface AppQuota {
  viewers?: number;
  publishers?: number;
  /** Sent to its viewers. */
  bitsPerSecond?: number;
}

/** What an app uses, on one node or on all. */
export type AppUse = Required<AppQuota>;

/** The quota of each app; `*` stands for every app without one of its own (each of them alone). */
export interface AppQuotas {
  /** False when no app has one. */
  readonly isAny: boolean;
  of(app: string): AppQuota;
}

const FIELDS = ['viewers', 'publishers', 'bitsPerSecond'] as const;

/** Reads `name viewers=100 publishers=2 bitsPerSecond=50000000`. @throws ConfigError `EDGE_APP_QUOTA`. */
export function parseQuotas(entries: readonly string[]): AppQuotas {
  const quotas = new Map(entries.map(parseQuota));
  const others = quotas.get('*') ?? {};
  return { isAny: quotas.size > 0, of: (app) => quotas.get(app) ?? others };
}

function parseQuota(entry: string): [string, AppQuota] {
  const [app = '', ...limits] = entry.trim().split(/\s+/);
  const quota: AppQuota = {};
  for (const limit of limits) {
    const [name = '', value = ''] = limit.split('=', 2);
    const field = FIELDS.find((one) => one === name);
    if (field === undefined || !/^\d{1,15}$/.test(value)) throw badQuota(entry);
    quota[field] = Number(value);
  }
  if (app === '' || app.includes('=') || app.includes('/') || limits.length === 0) throw badQuota(entry);
  return [app, quota];
}

function badQuota(entry: string): ConfigError {
  return new ConfigError(
    'EDGE_APP_QUOTA',
    `limits.apps has "${entry}", which is not like: name viewers=100 publishers=2 bitsPerSecond=50000000.`,
  );
}
