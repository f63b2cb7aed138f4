/** Which network cards count as the machine's, so that a byte is counted once, and how fast they are. */
import { ConfigError } from '@weir/contracts/errors';
import type { NetworkCard } from '@weir/contracts/resource';
import type { CardDescription } from './host-reading.ts';

/** Speeds by card name from `machine.cards` (`eth0=1000000000`). */
export type ConfiguredCards = ReadonlyMap<string, number>;

/**
 * Parses `machine.cards`.
 * @throws ConfigError `CONFIG_INVALID` naming the entry.
 */
export function parseConfiguredCards(entries: readonly string[]): ConfiguredCards {
  return new Map(
    entries.map((entry) => {
      const [, name, speed] = /^([^=\s]+)=(\d+)$/.exec(entry) ?? [];
      if (name === undefined || speed === undefined) {
        const message = `Configuration key "machine.cards" has the entry "${entry}"; write name=bits per second, e.g. eth0=1000000000.`;
        throw new ConfigError('CONFIG_INVALID', message);
      }
      return [name, Number(speed)] as const;
    }),
  );
}

/**
 * The cards that count, from the first of these rules that finds any:
 * 1. cards with hardware behind them, and those named in `machine.cards`. What is built on top (bonds, VLANs, bridges,
 *    tunnels, veth, docker…) carries the same bytes again and does not count;
 * 2. in a container or network namespace: virtual cards, bridges not, that have an address of their own;
 * 3. loopback.
 * Speeds: the kernel's, else the configured one, else 0 (nobody knows).
 */
export function countedCards(cards: readonly CardDescription[], configured: ConfiguredCards): NetworkCard[] {
  const rules: ((card: CardDescription) => boolean)[] = [
    ({ kind, name }) => kind === 'physical' || configured.has(name),
    ({ kind, ip }) => kind === 'virtual' && ip.some((address) => !address.startsWith('fe80')),
    ({ kind }) => kind === 'loopback',
  ];
  for (const counts of rules) {
    const found = cards.filter(counts);
    if (found.length > 0) return found.map((card) => toNetworkCard(card, configured));
  }
  return [];
}

function toNetworkCard(
  { name, mac, ip, speedBitsPerSecond }: CardDescription,
  configured: ConfiguredCards,
): NetworkCard {
  return { name, mac, ip, speedBitsPerSecond: speedBitsPerSecond ?? configured.get(name) ?? 0 };
}
