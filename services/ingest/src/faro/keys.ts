/** Keys that pages send with their measurements. They stand in pages, so they are no secret: they tell pages apart. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { ConfigError } from '@weir/contracts/errors';

/** Finds the key that was sent; takes as long for any wrong one. */
export class FaroKeys {
  readonly #keys: { name: string; digest: Buffer }[];

  /**
   * @param configured `name=key` each; none = everybody may send.
   * @throws ConfigError `INGEST_FARO_KEY` when one has no name or no key.
   */
  constructor(configured: readonly string[]) {
    this.#keys = configured.map((text) => {
      const at = text.indexOf('=');
      const name = text.slice(0, Math.max(0, at));
      if (!/^[\w-]{1,64}$/.test(name) || at === text.length - 1) {
        throw new ConfigError(
          'INGEST_FARO_KEY',
          'An entry of faro.keys is not name=key (name: letters, digits, - and _).',
        );
      }
      return { name, digest: digestOf(text.slice(at + 1)) };
    });
  }

  /** Name of the key; an empty text when none is needed; undefined when it is wrong or missing. */
  find(sent: string | undefined): string | undefined {
    if (this.#keys.length === 0) return '';
    const digest = digestOf(sent ?? '');
    let found: string | undefined;
    // All are compared, by digests of one length, so that time tells nothing.
    for (const key of this.#keys) if (timingSafeEqual(key.digest, digest)) found = key.name;
    return found;
  }
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
