/**
 * How a node proves on another node's relay listener that it is a member: an HMAC with the cluster's key over who asks,
 * for which stream, until when. It travels as query parameters of the RTMP stream name of `play`.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

/** What a relay says of itself. */
export interface RelayClaim {
  /** Node that pulls. */
  node: string;
  /** `app/name`. */
  stream: string;
  /** Unix time, seconds, after which the claim is worthless. */
  expires: number;
  /** Nodes between the publisher and the one that pulls, the latter included. */
  hops: number;
}

/** Query string (`node=…&expires=…&hops=…&signature=…`) that proves `claim` with `key`. */
export function signRelay(claim: RelayClaim, key: string): string {
  const query = new URLSearchParams({
    node: claim.node,
    expires: String(claim.expires),
    hops: String(claim.hops),
    signature: signature(claim, key),
  });
  return query.toString();
}

/** The claim in `query` for `stream` if one of `keys` signed it and it has not expired at `nowSeconds`; else undefined. */
export function verifyRelay(
  stream: string,
  query: URLSearchParams,
  keys: readonly string[],
  nowSeconds: number,
): RelayClaim | undefined {
  const claim: RelayClaim = {
    node: query.get('node') ?? '',
    stream,
    expires: Number(query.get('expires')),
    hops: Number(query.get('hops')),
  };
  if (!(claim.expires > nowSeconds) || !Number.isInteger(claim.hops)) return undefined;
  const given = Buffer.from(query.get('signature') ?? '', 'utf8');
  for (const key of keys) {
    const wanted = Buffer.from(signature(claim, key), 'utf8');
    if (given.length === wanted.length && timingSafeEqual(given, wanted)) return claim;
  }
  return undefined;
}

function signature(claim: RelayClaim, key: string): string {
  return createHmac('sha256', key)
    .update(JSON.stringify([claim.node, claim.stream, claim.expires, claim.hops]))
    .digest('base64url');
}
