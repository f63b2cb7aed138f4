/**
 * The viewer's session: one per tab, over reloads, until four hours are over. It is made here and not by Faro, because the
 * edge is told its id with the first request, when nothing of Faro is loaded yet.
 */

/** One session. */
export interface Session {
  id: string;
  /** In the sample: measured at all. */
  sampled: boolean;
}

const KEY = 'weir-session';
const LIFETIME_MS = 4 * 3_600_000;

/** The tab's session, begun when there is none. @param samplingRate share of new sessions that are measured. */
export function currentSession(samplingRate: number): Session {
  const stored = read();
  if (stored && Date.now() - stored.startedAtMs < LIFETIME_MS) return stored;
  const session = { id: randomId(), sampled: Math.random() < samplingRate, startedAtMs: Date.now() };
  try {
    sessionStorage.setItem(KEY, JSON.stringify(session));
  } catch {
    // Storage is forbidden: the session lasts as long as the page.
  }
  return session;
}

/** Forgets the tab's session. */
export function forgetSession(): void {
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // Storage is forbidden: there is nothing to forget.
  }
}

function read(): (Session & { startedAtMs: number }) | undefined {
  try {
    const stored: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? 'null');
    if (typeof stored !== 'object' || stored === null) return undefined;
    const { id, sampled, startedAtMs } = stored as Record<string, unknown>;
    if (typeof id !== 'string' || typeof sampled !== 'boolean' || typeof startedAtMs !== 'number') return undefined;
    return { id, sampled, startedAtMs };
  } catch {
    return undefined;
  }
}

/** 96 random bits; `crypto.randomUUID` exists on secure pages only. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_');
}
