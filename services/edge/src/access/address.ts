/**
 * Access by address: allow and deny lists of addresses and networks. Before it: a socket's remote address; also says what
 * counts as one client when connections of an address are counted.
 */
import { BlockList, isIP } from 'node:net';
import { ConfigError } from '@weir/contracts/errors';
import type { SocketCheck } from './check.ts';

/** The lists as configured. */
export interface AddressLists {
  /** Empty = all. */
  allow: readonly string[];
  /** Wins over `allow`. */
  deny: readonly string[];
}

/** A check of the lists. @throws ConfigError `EDGE_ACCESS_NETWORK` for an entry that is no address and no network. */
export function addressCheck({ allow, deny }: AddressLists): SocketCheck {
  const allowed = blockList(allow, 'access.allow');
  const denied = blockList(deny, 'access.deny');
  return (address) => {
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    const isAllowed = allow.length === 0 || allowed.check(address, family);
    if (isAllowed && !denied.check(address, family)) return undefined;
    return { refused: 'address-denied', description: `${address} may not connect here.` };
  };
}

/** The address of a socket as people write it: IPv4 without the prefix that a dual-stack socket gives it. */
export function plainAddress(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:(?=\d+\.)/i, '');
}

/** What is counted as one client: an IPv4 address, or the /64 an IPv6 address is in (one customer has a whole one). */
export function clientKey(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = '', tail = ''] = address.split('%', 1)[0]?.split('::', 2) ?? [];
  const before = head === '' ? [] : head.split(':');
  const after = tail === '' ? [] : tail.split(':');
  const zeros = address.includes('::')
    ? new Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0')
    : [];
  const groups = [...before, ...zeros, ...after].slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${groups.join(':')}::/64`;
}

function blockList(entries: readonly string[], key: string): BlockList {
  const list = new BlockList();
  for (const entry of entries) {
    const [address = '', prefix, ...rest] = entry.split('/');
    const version = isIP(address);
    const family = version === 6 ? 'ipv6' : 'ipv4';
    const bits = prefix === undefined ? undefined : Number(prefix);
    const fits = bits === undefined || (/^\d{1,3}$/.test(prefix ?? '') && bits <= (version === 6 ? 128 : 32));
    if (version === 0 || !fits || rest.length > 0) {
      throw new ConfigError(
        'EDGE_ACCESS_NETWORK',
        `${key} has "${entry}", which is no address and no network like 10.0.0.0/8 or 2001:db8::/32.`,
      );
    }
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, bits, family);
  }
  return list;
}
