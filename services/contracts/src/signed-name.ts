/**
 * Signed stream URLs: an HMAC-SHA-256 with a key of the cluster over what is allowed, for which stream, until when. It
 * travels as query parameters of the stream name (RTMP) or of the URL (HTTP). Made by `weir sign` and by customers' own
 * servers; checked by the edge. A signature for one stream or action is worth nothing for another.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

/** What a signature can allow. */
export type SignedAction = 'publish' | 'play';

/** What is signed. */
export interface SignedName {
  action: SignedAction;
  /** `app/name`. */
  stream: string;
  /** Unix time, seconds, from which on the signature is worthless. */
  expires: number;
}

/** Query parameters of a signed name. */
export const SIGNED_QUERY = { expires: 'expires', signature: 'signature', key: 'key' } as const;

/** What there is to say about a query: nothing was signed, or it holds, or why it does not. */
export type SignedVerdict = 'unsigned' | 'valid' | 'wrong' | 'expired';

/** `expires=…&signature=…`, with `key`: base64url of HMAC-SHA-256 over the lines `weir`, action, stream, expires. */
export function signName(name: SignedName, key: string): string {
  const query = new URLSearchParams({
    [SIGNED_QUERY.expires]: String(name.expires),
    [SIGNED_QUERY.signature]: signature(name, key),
  });
  return query.toString();
}

/**
 * Checks `query` for one action on one stream at `nowSeconds`. Any of `keys` may have signed (rotation). A signature that
 * is wrong is `wrong` whether it expired or not: an attacker learns nothing from the difference.
 */
export function verifyName(
  wanted: Omit<SignedName, 'expires'>,
  query: URLSearchParams,
  keys: readonly string[],
  nowSeconds: number,
): SignedVerdict {
  const given = query.get(SIGNED_QUERY.signature);
  if (given === null) return 'unsigned';
  const text = query.get(SIGNED_QUERY.expires) ?? '';
  if (!/^\d{1,12}$/.test(text)) return 'wrong';
  const expires = Number(text);
  const isOurs = keys.some((key) => equalSecrets(signature({ ...wanted, expires }, key), given));
  if (!isOurs) return 'wrong';
  return expires > nowSeconds ? 'valid' : 'expired';
}

/** Compares in a time that says nothing about where two secrets differ. */
export function equalSecrets(one: string, other: string): boolean {
  const digest = (text: string) => createHmac('sha256', 'compare').update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}

function signature({ action, stream, expires }: SignedName, key: string): string {
  return createHmac('sha256', key).update(`weir\n${action}\n${stream}\n${expires}`).digest('base64url');
}
