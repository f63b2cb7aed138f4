/** The groups that this machine directs, as `agent.groups` names them. Before it: the configuration; after it: vrrp.ts. */
import { isIP } from 'node:net';
import { ConfigError } from '@weir/contracts/errors';

/** One group whose virtual address this machine may hold. */
export interface DirectedGroup {
  name: string;
  /** The virtual address. */
  address: string;
  /** Card that faces the group's link. */
  card: string;
  /** Directors the group should have, this one included. */
  directors: number;
}

/**
 * Parses `agent.groups`.
 * @throws ConfigError `CONFIG_INVALID` naming the entry.
 */
export function parseDirectedGroups(entries: readonly string[]): DirectedGroup[] {
  return entries.map((entry) => {
    const [name = '', ...pairs] = entry.trim().split(/\s+/);
    const values = new Map(pairs.map((pair) => [pair.split('=', 1)[0] ?? '', pair.slice(pair.indexOf('=') + 1)]));
    const address = values.get('address') ?? '';
    const card = values.get('card') ?? '';
    const directors = Number(values.get('directors'));
    const isWhole = name !== '' && !name.includes('=') && values.size === 3 && card !== '';
    if (!isWhole || isIP(address) === 0 || !Number.isSafeInteger(directors) || directors < 1) {
      const example = 'fra-1 address=10.20.0.100 card=eth0 directors=2';
      const message = `Configuration key "agent.groups" has the entry "${entry}"; write it like "${example}".`;
      throw new ConfigError('CONFIG_INVALID', message);
    }
    return { name, address, card, directors };
  });
}
