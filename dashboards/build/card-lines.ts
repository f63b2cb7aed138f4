/** Lines that several panels draw alike: what network cards carry. Before them: build/lines-sql.ts; after them: the panel files. */
import type { Line } from './lines-sql.ts';

/** Bits a second that the network cards of machines send or receive, each card once. */
export function cardBits(direction: 'transmit' | 'receive', as: string): Line {
  return {
    metric: 'system.network.io',
    where: { 'network.io.direction': direction },
    fold: 'rate',
    across: 'sum',
    scale: 8,
    as,
  };
}
