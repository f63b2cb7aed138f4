/**
 * The words of access: what is asked (a request), what is answered (nothing, or a refusal), and who answers (a check).
 * Checks are asked in the order of a list; the first refusal stands. Nothing here runs per packet.
 */
import type { CloseReason, Protocol } from '@weir/contracts/events';
import type { SignedAction } from '@weir/contracts/signed-name';

/** A refusal, with a sentence for the client. */
export interface Refusal {
  refused: CloseReason;
  description: string;
}

/** Who asks. */
export interface Caller {
  protocol: Protocol;
  /** Without the prefix of IPv4 in IPv6. */
  address: string;
  port: number;
  /** What it calls itself, as it came. */
  userAgent: string;
}

/** What is asked for: to publish or to play one stream. */
export interface AccessRequest extends Caller {
  action: SignedAction;
  app: string;
  /** Name without the app. */
  name: string;
  query: URLSearchParams;
}

/** Asked when a socket connects, before a byte of it is read: synchronous, and cheap for an attacker's sake. */
export type SocketCheck = (address: string) => Refusal | undefined;

/** Asked when a client wants to publish or play. */
export type StreamCheck = (request: AccessRequest) => Refusal | undefined | Promise<Refusal | undefined>;

/** The first refusal of `checks`, each asked after the one before it allowed. */
export async function firstRefusal(
  checks: readonly StreamCheck[],
  request: AccessRequest,
): Promise<Refusal | undefined> {
  for (const check of checks) {
    const refusal = await check(request);
    if (refusal) return refusal;
  }
  return undefined;
}
