/** Ways into a site from its own link: all that have to be shut, the two that are meant, and who sends what to whom. */
import type { Topology } from '@weir/contracts/topology/schema';
import { VIP } from './cluster.ts';
import type { Namespace } from './namespace.ts';

/** A host and a port. */
export type Way = readonly [host: string, port: number];

/** What clients are meant to use. */
export const MEANT_WAYS: readonly Way[] = [
  [VIP, 1935],
  [VIP, 80],
];

/** Everything else a stranger might try, by the topology's addresses: NATS's client port is shut by its password instead. */
export function directWays({ machines }: Topology): Way[] {
  const ports: Record<string, readonly number[]> = {
    e: [1935, 19350, 80, 8080, 1936],
    o: [1935, 8081, 1938],
    n: [8222, 6222],
    d: [1935, 80, 8080],
  };
  const direct = Object.entries(machines).flatMap(([name, { address }]) =>
    (ports[name[0] ?? ''] ?? []).map((port): Way => [address, port]),
  );
  return [...[19350, 8080, 1936, 22, 9000].map((port): Way => [VIP, port]), ...direct];
}

/** Whether a connection is taken within a second. */
export function isOpen(from: Namespace, host: string, port: number): boolean {
  const line = `timeout 1 bash -c 'exec 3<>/dev/tcp/${host}/${port}' 2>/dev/null && echo open || true`;
  return from.must(line).includes('open');
}

/** Counts packets that reach the clients by who sent them. */
export function countStrangers(client: Namespace, vip: string): void {
  client.must(`nft -f - <<'RULES'
table ip seen {
  chain in {
    type filter hook input priority 0; policy accept;
    ip saddr ${vip} tcp sport { 1935, 80 } counter accept comment "vip"
    ip saddr 10.9.0.0/24 ip protocol { tcp, udp } counter comment "others"
  }
}
RULES`);
}

/** What was counted so far. */
export function packetsSeen(client: Namespace): { vip: number; others: number } {
  const lines = client.must('nft list table ip seen').split('\n');
  const packets = (counter: string) =>
    Number(/packets (\d+)/.exec(lines.find((line) => line.includes(`comment "${counter}"`)) ?? '')?.[1]);
  return { vip: packets('vip'), others: packets('others') };
}

/** What a frame has before its packet. */
const FRAME_HEADER_BYTES = 14;

/** Counts what reaches a port of a machine from each of these addresses. */
export function countSenders(machine: Namespace, addresses: readonly string[], port: number): void {
  const counters = addresses.map((address) => `ip saddr ${address} tcp dport ${port} counter comment "${address}"`);
  machine.must(`nft -f - <<'RULES'
table ip senders {
  chain in {
    type filter hook input priority -10; policy accept;
    ${counters.join('\n    ')}
  }
}
RULES`);
}

/** Bytes of the frames that came from an address so far. */
export function bytesSeen(machine: Namespace, address: string): number {
  const counted = new RegExp(`packets (\\d+) bytes (\\d+) comment "${address}"`);
  const [, packets, bytes] = counted.exec(machine.must('nft list table ip senders')) ?? [];
  return Number(bytes) + Number(packets) * FRAME_HEADER_BYTES;
}
