/**
 * Access by what a client holds: a signed URL (an expiry, for one stream and action) or a static key. Before it: the
 * query of the stream name; after it: limits and callbacks.
 */
import { ConfigError } from '@weir/contracts/errors';
import { equalSecrets, SIGNED_QUERY, type SignedAction, verifyName } from '@weir/contracts/signed-name';
import type { Refusal, StreamCheck } from './check.ts';

/** The part of the configuration that is about keys. */
export interface KeyOptions {
  publish: 'open' | 'key';
  play: 'open' | 'key';
  signingKeys: readonly string[];
  /** `app/stream=key`, `app/*=key` or `*=key`. */
  publishKeys: readonly string[];
  playKeys: readonly string[];
}

interface StaticKey {
  matches(stream: string): boolean;
  key: string;
}

/**
 * A check of signatures and static keys. Where an action is open everything passes, but a signature that is given must
 * hold: a customer who signs finds out at once when it is done wrong.
 * @throws ConfigError `EDGE_ACCESS_KEY` for an entry that is no key, `EDGE_ACCESS_NO_KEY` when nobody could pass.
 */
export function keyCheck(options: KeyOptions, nowSeconds: () => number): StreamCheck {
  const keys: Record<SignedAction, StaticKey[]> = {
    publish: options.publishKeys.map((entry) => parseKey(entry, 'access.publishKeys')),
    play: options.playKeys.map((entry) => parseKey(entry, 'access.playKeys')),
  };
  for (const action of ['publish', 'play'] as const) {
    if (options[action] !== 'key' || keys[action].length > 0 || options.signingKeys.length > 0) continue;
    throw new ConfigError(
      'EDGE_ACCESS_NO_KEY',
      `access.${action} is "key", but nobody has one: set access.signingKeys or access.${action}Keys.`,
    );
  }
  return ({ action, app, name, query }) => {
    const stream = `${app}/${name}`;
    const isOpen = options[action] === 'open';
    const given = query.get(SIGNED_QUERY.key);
    if (query.has(SIGNED_QUERY.signature) && !(isOpen && options.signingKeys.length === 0)) {
      return signatureRefusal(verifyName({ action, stream }, query, options.signingKeys, nowSeconds()), action, stream);
    }
    if (isOpen) return undefined;
    if (given === null) {
      const description = `A key or a signed URL is needed to ${action} ${stream}.`;
      return { refused: 'key-missing', description };
    }
    const fits = keys[action].some((one) => one.matches(stream) && equalSecrets(one.key, given));
    return fits ? undefined : { refused: 'key-wrong', description: `This key does not allow to ${action} ${stream}.` };
  };
}

function signatureRefusal(
  verdict: ReturnType<typeof verifyName>,
  action: SignedAction,
  stream: string,
): Refusal | undefined {
  if (verdict === 'valid') return undefined;
  if (verdict === 'expired') {
    return { refused: 'signature-expired', description: `The signature to ${action} ${stream} has expired.` };
  }
  return { refused: 'signature-wrong', description: `The signature is not one to ${action} ${stream}.` };
}

function parseKey(entry: string, configKey: string): StaticKey {
  const at = entry.indexOf('=');
  const [pattern, key] = [entry.slice(0, at), entry.slice(at + 1)];
  if (at <= 0 || key === '' || !/^(\*|[^*]+\/\*|[^*/]+\/[^*]+)$/.test(pattern)) {
    // The entry holds a secret: it is not repeated.
    throw new ConfigError(
      'EDGE_ACCESS_KEY',
      `${configKey} has an entry that is not app/stream=key, app/*=key or *=key.`,
    );
  }
  if (pattern === '*') return { matches: () => true, key };
  if (!pattern.endsWith('/*')) return { matches: (stream) => stream === pattern, key };
  const prefix = pattern.slice(0, -1);
  return { matches: (stream) => stream.startsWith(prefix), key };
}
