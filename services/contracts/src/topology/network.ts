/** Small questions about IPv4 addresses, networks and hardware addresses that the topology is checked with. */
import { BlockList, isIPv4 } from 'node:net';

/** True for a dotted IPv4 address. IPv6 is not served by the directors yet. */
export function isAddress(text: string): boolean {
  return isIPv4(text);
}

/** `10.0.0.0/24` taken apart, or undefined when it is none. */
export function parseNetwork(text: string): { address: string; prefix: number } | undefined {
  const [address = '', prefix = '', more] = text.split('/');
  if (more !== undefined || !isIPv4(address) || !/^\d{1,2}$/.test(prefix) || Number(prefix) > 32) return undefined;
  return { address, prefix: Number(prefix) };
}

/** Whether `address` lies in `network`; false when either is not readable. */
export function isInNetwork(address: string, network: string): boolean {
  const parsed = parseNetwork(network);
  if (!parsed || !isIPv4(address)) return false;
  const list = new BlockList();
  list.addSubnet(parsed.address, parsed.prefix);
  return list.check(address);
}

/** Whether `address` is the network's own or its broadcast address; links of two addresses or one have neither. */
export function isEndOfNetwork(address: string, network: string): boolean {
  const parsed = parseNetwork(network);
  if (!parsed || parsed.prefix > 30 || !isInNetwork(address, network)) return false;
  const size = 2 ** (32 - parsed.prefix);
  const place = addressNumber(address) % size;
  return place === 0 || place === size - 1;
}

/** True for `52:54:00:12:34:56`. */
export function isMac(text: string): boolean {
  return /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text);
}

/** Bits per second of `1Gbit`, `2.5Gbit`, `100Mbit` or a plain number; undefined when it is none of them. */
export function parseSpeed(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:bit)?(?:\/s)?$/i.exec(text.trim());
  if (!match) return undefined;
  const factor = { '': 1, K: 1e3, M: 1e6, G: 1e9, T: 1e12 }[(match[2] ?? '').toUpperCase()] ?? 1;
  return Math.round(Number(match[1]) * factor);
}

/** Sorts addresses as numbers, so that what is rendered from them is stable and reads well. */
export function compareAddresses(a: string, b: string): number {
  return addressNumber(a) - addressNumber(b);
}

function addressNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}
