/**
 * What of a client's address is stored: all of it, its network, or a hash by a key that changes. Before it: whoever takes
 * connections (edge) or payloads (ingest); after it: events and measurements, and so every table and log stream there is.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import type { Config } from './config/schema.ts';

/** What is stored of `address`, of which was heard at `atMs` (Unix ms): the same text whenever asked with both. */
export type StoredAddress = (address: string, atMs: number) => string;

/** How addresses are stored. */
export interface AddressPolicy {
  /** Of one client. */
  readonly client: StoredAddress;
  /** Of its network, which is all that is ever stored of browsers' addresses. */
  readonly network: StoredAddress;
  /** False when a client's port is left out as well: with a time it tells one behind a shared address. */
  readonly keepsPort: boolean;
}

const HOUR_MS = 3_600_000;
const HASH_DIGITS = 16;
const MAPPED = '::ffff:';

/**
 * The policy of the section `privacy`. With `hash`, the key of a period is made of `privacy.addressKey`, or of one that
 * this process makes and never writes down: then nobody can link the same client over nodes, restarts or periods.
 */
export function addressPolicy(config: Config['privacy']): AddressPolicy {
  switch (config.addresses) {
    case 'keep':
      return { client: (address) => plain(address), network: networkOf, keepsPort: true };
    case 'truncate':
      return { client: networkOf, network: networkOf, keepsPort: false };
    case 'hash': {
      const secret = config.addressKey === '' ? randomBytes(32) : Buffer.from(config.addressKey);
      const hashed = (text: string, atMs: number) => {
        if (text === '') return '';
        const period = Math.floor(atMs / (config.addressKeyHours * HOUR_MS));
        const key = createHmac('sha256', secret).update(`weir address key ${period}`).digest();
        return `hash-${createHmac('sha256', key).update(text).digest('hex').slice(0, HASH_DIGITS)}`;
      };
      return {
        client: (address, atMs) => hashed(plain(address), atMs),
        network: (address, atMs) => hashed(networkOf(address), atMs),
        keepsPort: false,
      };
    }
  }
}

/** `/24` of an IPv4 address, `/48` of an IPv6 one; empty for anything else. */
export function networkOf(address: string): string {
  const text = plain(address);
  if (isIP(text) === 4) return `${text.split('.').slice(0, 3).join('.')}.0/24`;
  if (isIP(text) !== 6) return '';
  const [head = '', tail = ''] = text.split('%', 1)[0]?.split('::', 2) ?? [];
  const before = head === '' ? [] : head.split(':');
  const after = tail === '' ? [] : tail.split(':');
  const zeros = text.includes('::') ? Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0') : [];
  const groups = [...before, ...zeros, ...after].slice(0, 3);
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/48`;
}

/** An IPv4 address that came over an IPv6 socket is that IPv4 address. */
function plain(address: string): string {
  return address.startsWith(MAPPED) ? address.slice(MAPPED.length) : address;
}
