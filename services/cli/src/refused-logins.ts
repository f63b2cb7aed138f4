/**
 * Which nodes NATS refused lately, as its servers' monitoring remembers it: a node that can't log in can tell nobody else.
 * Before it: `nats.monitors`; after it: the reasons of `weir nodes`.
 */

/** One node that could not log in. */
export interface RefusedLogin {
  node: string;
  /** Where it tried from. */
  address: string;
  /** ISO 8601. */
  at: string;
}

interface ClosedConnection {
  name?: string;
  ip?: string;
  stop?: string;
  reason?: string;
}

/** How nodes name their connections; the parts with a space or another prefix are no nodes. */
const NODE_CONNECTION = /^weir-([A-Za-z0-9][A-Za-z0-9_-]{0,62})$/;
const NOT_NODES: ReadonlySet<string> = new Set(['status', 'control', 'node-push']);
/** Reasons that nats-server gives; "Revoked" is of credentials that were taken away while connected. */
const REFUSED = /^(Authentication|Authorization|Credentials|Revoked)/;
const RECENT_MS = 600_000;
const TIMEOUT_MS = 2_000;
/** Connections a server is asked for; it remembers 10,000 by default. */
const LIMIT = 1_024;

/**
 * The last refusal of each node within ten minutes, out of all servers that answer.
 * @param monitors `http://host:port` of the servers' monitoring; those that are away are passed over.
 */
export async function refusedLogins(monitors: readonly string[]): Promise<Map<string, RefusedLogin>> {
  const found = new Map<string, RefusedLogin>();
  const answers = await Promise.all(monitors.map((url) => closedConnections(url)));
  for (const { name = '', ip = '', stop = '', reason = '' } of answers.flat()) {
    const node = NODE_CONNECTION.exec(name)?.[1];
    if (node === undefined || NOT_NODES.has(node) || !REFUSED.test(reason)) continue;
    if (Date.now() - Date.parse(stop) > RECENT_MS || (found.get(node)?.at ?? '') >= stop) continue;
    found.set(node, { node, address: ip, at: stop });
  }
  return found;
}

async function closedConnections(url: string): Promise<ClosedConnection[]> {
  try {
    const query = `connz?state=closed&sort=stop&limit=${LIMIT}`;
    const response = await fetch(new URL(query, url.endsWith('/') ? url : `${url}/`), {
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const { connections } = (await response.json()) as { connections?: ClosedConnection[] };
    return connections ?? [];
  } catch {
    // what a server that is away would say nobody knows; the others are asked too
    return [];
  }
}
