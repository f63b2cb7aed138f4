/**
 * How often one address may connect: a token bucket per client. Before it: every new connection; bounded in memory by
 * forgetting whoever was quiet for longest, which at worst gives that client a full bucket again.
 */
import { clientKey } from './address.ts';
import type { SocketCheck } from './check.ts';

/** Clients remembered; about 100 bytes each. */
const MAX_CLIENTS = 65_536;

interface TokenBucket {
  tokens: number;
  atMs: number;
}

/** At most `perSecond` new connections of a client in the long run, `burst` at once. `nowMs` must not go back. */
export function connectRateCheck(perSecond: number, burst: number, nowMs: () => number): SocketCheck {
  // In the order of last use, the longest ago first.
  const buckets = new Map<string, TokenBucket>();
  return (address) => {
    const client = clientKey(address);
    const now = nowMs();
    const last = buckets.get(client);
    const tokens = last ? Math.min(burst, last.tokens + ((now - last.atMs) / 1_000) * perSecond) : burst;
    const isAllowed = tokens >= 1;
    buckets.delete(client);
    buckets.set(client, { tokens: isAllowed ? tokens - 1 : tokens, atMs: now });
    if (buckets.size > MAX_CLIENTS) buckets.delete(buckets.keys().next().value as string);
    if (isAllowed) return undefined;
    const waitSeconds = Math.ceil((1 - tokens) / perSecond);
    return {
      refused: 'connect-rate',
      description: `${address} connects too often (limit ${perSecond} a second): try again in ${waitSeconds} s.`,
    };
  };
}
