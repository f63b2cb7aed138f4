/** Who gets in and how: the spread by weight, what the client sees, ways past the directors, what directors send. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Clients, GuestMachine } from './machines.ts';
import { masterOf, type Site, servers, until, VIP } from './site.ts';

const OPEN = /^e\d/;

export async function spread({ results, clients }: Site): Promise<void> {
  const tally = await clients.ask<Record<string, number>>('count', { host: VIP, port: 1935, count: 60 });
  results.add({
    check: 'sixty connections spread by weight 3 : 2 : 1',
    passed: tally.e1 === 30 && tally.e2 === 20 && tally.e3 === 10,
    measured: `${tally.e1} / ${tally.e2} / ${tally.e3}`,
    target: '30 / 20 / 10',
    source: 'weighted round robin, by eye',
    detail: JSON.stringify(tally),
  });
}

/** Counts packets that reach the client by who sent them. */
export function countStrangers(client: GuestMachine): void {
  client.must(`nft -f - <<'RULES'
table ip seen {
  chain in {
    type filter hook input priority 0; policy accept;
    ip saddr ${VIP} tcp sport { 1935, 80 } counter accept comment "vip"
    ip saddr 10.9.0.0/24 ip protocol { tcp, udp } counter comment "others"
  }
}
RULES`);
}

function packets(client: GuestMachine, counter: string): number {
  const line = client
    .must('nft list table ip seen')
    .split('\n')
    .find((text) => text.includes(`comment "${counter}"`));
  return Number(/packets (\d+)/.exec(line ?? '')?.[1]);
}

export function onlyVirtualAddress({ results, client }: Site): void {
  const seen = packets(client, 'vip');
  const others = packets(client, 'others');
  results.add({
    check: 'the client sees the virtual address and its public ports only',
    passed: seen > 100 && others === 0,
    measured: `${seen} of ${seen + others} packets`,
    target: 'all',
    source: 'all, in a packet capture',
  });
}

/** What one connection by busybox hears within a second. */
function hears(machine: GuestMachine, host: string, port: number): string {
  return machine.run(`busybox timeout 1 busybox nc ${host} ${port} </dev/null 2>/dev/null`).output.split('\n')[0] ?? '';
}

/** Those of `tries` that an edge answers, all tried at once. */
async function waysThrough(clients: Clients, tries: [host: string, port: number][]): Promise<string[]> {
  const heard = await Promise.all(
    tries.map(([host, port]) => clients.ask<Record<string, number>>('count', { host, port, count: 1 })),
  );
  return tries
    .filter((_, at) => Object.keys(heard[at] ?? {}).some((who) => OPEN.test(who)))
    .map((way) => way.join(':'));
}

export async function hiding({ results, clients, client, origin }: Site): Promise<void> {
  const tries: [host: string, port: number][] = [
    [VIP, 19350],
    [VIP, 8080],
    [VIP, 1936],
    [VIP, 22],
    ['10.9.0.21', 1935],
    ['10.9.0.21', 19350],
    ['10.9.0.21', 80],
    ['10.9.0.21', 8080],
    ['10.9.0.21', 1936],
  ];
  const through = await waysThrough(clients, tries);
  const health = client.run('curl -s --max-time 1 http://10.9.0.21:8080/healthz').output;
  results.add({
    check: `none of ${tries.length + 1} direct ways past the directors is open`,
    passed: through.length === 0 && health === '' && (await waysThrough(clients, [[VIP, 1935]])).length === 1,
    measured: through.length === 0 && health === '' ? 'none' : [...through, health].join(', '),
    target: 'none',
    source: 'its rule breaks TCP as written',
  });
  const member = hears(origin, '10.9.0.21', 1936);
  const stranger = hears(client, '10.9.0.21', 1936);
  results.add({
    check: 'the relay listener is open to members only',
    passed: OPEN.test(member) && stranger === '',
    measured: `member "${member}", stranger "${stranger}"`,
  });
}

/** Frames for the virtual address sent straight to an edge's card, past the directors. */
export function onLink({ results, edges, attacker }: Site): void {
  const [edge] = edges;
  if (!edge) return;
  const attack = () => {
    attacker.must(`ip neigh replace ${VIP} lladdr ${edge.mac()} dev eth0 nud permanent`);
    const heard = hears(attacker, VIP, 1935);
    attacker.must(`ip neigh del ${VIP} dev eth0`);
    return heard;
  };
  const protectedBy = attack();
  edge.must('nft flush chain inet weir link');
  const bare = attack();
  edge.must('nft -f /etc/weir/firewall.nft');
  const again = attack();
  results.add({
    check: 'an attacker on the link cannot reach an edge past the directors',
    passed: protectedBy === '' && again === '' && bare === edge.name,
    measured: `heard "${protectedBy}"; without the rule "${bare}"`,
    target: 'nothing',
  });
}

export async function directorSendsNothing(site: Site): Promise<void> {
  const { results, clients } = site;
  const director = masterOf(site);
  const sentBefore = director.sentBytes();
  await clients.ask('download', { host: VIP, port: 1935, count: 30, bytesPerSecond: 50_000 });
  await delay(6_000);
  const looks = await clients.ask<{ bytes: number; dead: string | null }[]>('look');
  await clients.ask('release');
  const sent = director.sentBytes() - sentBefore;
  const delivered = looks.reduce((sum, { bytes }) => sum + bytes, 0);
  const out = director.must("ipvsadm -Ln --stats | awk '/^TCP/ { out += $5 } END { print out + 0 }'");
  const share = (sent / delivered) * 100;
  results.add({
    check: 'thirty viewers’ media does not pass the director',
    passed: share <= 5 && out === '0' && delivered > 1_000_000 && looks.every(({ dead }) => dead === null),
    measured: `${share.toFixed(1)} % of ${(delivered / 1e6).toFixed(1)} MB sent by it, ${out} packets out through IPVS`,
    target: '≤ 5 %, 0 packets',
    source: 'CPU 0 %',
    detail: JSON.stringify(looks),
  });
}

/** The other design, switched to while running: the directors hide the port, nothing is tracked. */
export async function hidingOnDirectors(site: Site, rendered: string): Promise<void> {
  const { results, directors, edges, clients, attacker } = site;
  for (const machine of [...directors, ...edges]) {
    machine.install(`${rendered}/${machine.name}`);
    machine.must('nft -f /etc/weir/firewall.nft');
  }
  for (const director of directors) director.must('kill -HUP $(cat /run/keepalived.pid)');
  await until(
    'three edges at the hidden port on both',
    () => directors.every((director) => servers(director, 19350).size === 3),
    40_000,
  );
  const tally = await clients.ask<Record<string, number>>('count', { host: VIP, port: 1935, count: 12 });
  const direct = await waysThrough(
    clients,
    [VIP, '10.9.0.21'].flatMap((host) => [19350, 8080].map((port): [string, number] => [host, port])),
  );
  const [edge] = edges;
  attacker.must(`ip neigh replace ${VIP} lladdr ${edge?.mac()} dev eth0 nud permanent`);
  const onTheLink = hears(attacker, VIP, 1935) + hears(attacker, VIP, 19350);
  results.add({
    check: 'hiding on the directors instead spreads and hides as well',
    passed: tally.e1 === 6 && tally.e2 === 4 && tally.e3 === 2 && direct.length === 0 && onTheLink === '',
    measured: `${tally.e1} / ${tally.e2} / ${tally.e3}, direct ways open: ${[...direct, onTheLink].join(' ') || 'none'}`,
    target: '6 / 4 / 2, none',
    detail: JSON.stringify(tally),
  });
}
