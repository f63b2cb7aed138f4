/** Who may send by OTLP: bearer tokens, each with a name that becomes part of all its senders' names. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { ConfigError } from '@weir/contracts/errors';

/** Name of senders on this machine when no token is configured. */
export const LOCAL_SENDER = 'local';

/** Finds the sender behind a request; takes as long for any wrong token. */
export class OtlpTokens {
  readonly #tokens: { name: string; digest: Buffer }[];

  /**
   * @param configured `name=token` each; none = only this machine may send, without a token.
   * @throws ConfigError `INGEST_OTLP_TOKEN` when one has no name or no token, or a name comes twice.
   */
  constructor(configured: readonly string[]) {
    this.#tokens = configured.map((text) => {
      const at = text.indexOf('=');
      const name = text.slice(0, Math.max(0, at));
      // without "-", so that <name>-<instance> can't be read in two ways
      if (!/^[A-Za-z0-9_]{1,16}$/.test(name) || at === text.length - 1) {
        throw new ConfigError(
          'INGEST_OTLP_TOKEN',
          'An entry of otlp.tokens is not name=token (name: 1-16 letters, digits and _).',
        );
      }
      return { name, digest: digestOf(text.slice(at + 1)) };
    });
  }

  /** Name of the sender, or undefined: it may not send. Several tokens may share a name (rotation). */
  find(authorization: string | undefined, remoteAddress: string | undefined): string | undefined {
    if (this.#tokens.length === 0) return isLoopback(remoteAddress) ? LOCAL_SENDER : undefined;
    const digest = digestOf(/^Bearer (\S+)$/i.exec(authorization ?? '')?.[1] ?? '');
    let found: string | undefined;
    // all are compared, by digests of one length, so that time tells nothing
    for (const token of this.#tokens) if (timingSafeEqual(token.digest, digest)) found = token.name;
    return found;
  }
}

function isLoopback(address: string | undefined): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address ?? '');
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
