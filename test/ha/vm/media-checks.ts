/** What is asked of real edges behind real directors: who gets in, who plays, what directors tell. */
import { setTimeout as delay } from 'node:timers/promises';
import type { GuestMachine } from './machines.ts';
import { type MediaSite, STREAM_URL, type Told, toldBy, type ViewerLook } from './media-site.ts';
import { masterOf, servers, until, VIP } from './site.ts';

const VIEWERS = 18;

/** Clients with an established connection to RTMP of an edge, by their port. */
export function clientPortsOf(edge: GuestMachine): Set<number> {
  const lines = edge.must("ss -Htn state established '( sport = :19350 )'").split('\n');
  return new Set(lines.map((line) => Number(/:(\d+)\s*$/.exec(line.trim())?.[1])).filter(Boolean));
}

/** Every direct way past the directors, tried by a stranger, by a director's neighbour, and the ones that have to be open. */
export async function hiding({ results, viewers, attacker, edges, origins }: MediaSite): Promise<void> {
  const ways: [string, number][] = [
    ...[19350, 8080, 1936, 22, 9000].map((port): [string, number] => [VIP, port]),
    ...edges.flatMap((_, at) =>
      [1935, 19350, 80, 8080, 1936].map((port): [string, number] => [`10.9.0.2${at + 1}`, port]),
    ),
    ...origins.flatMap((_, at) => [1935, 8081, 1938].map((port): [string, number] => [`10.9.0.3${at + 1}`, port])),
    ...[4222, 8222, 6222].map((port): [string, number] => ['10.9.0.41', port]).slice(1),
    ...[1, 2].flatMap((at) => [1935, 80, 8080].map((port): [string, number] => [`10.9.0.1${at}`, port])),
  ];
  const meant: [string, number][] = [
    [VIP, 1935],
    [VIP, 80],
  ];
  const open = await viewers.ask<string[]>('open', { ways });
  const served = await viewers.ask<string[]>('open', { ways: meant });
  const member = opens(origins[0], '10.9.0.21', 1936) && opens(edges[1], '10.9.0.31', 1938);
  const stranger = opens(attacker, '10.9.0.21', 1936) || opens(attacker, '10.9.0.31', 1938);
  results.add({
    check: `none of ${ways.length} direct ways is open, both meant ones are; relays between members only`,
    passed: open.length === 0 && served.length === meant.length && member && !stranger,
    measured: `${open.join(', ') || 'none'} open; ${served.length} of 2 meant ones; members ${member ? 'in' : 'out'}, strangers ${stranger ? 'in' : 'out'}`,
    target: 'none',
    source: 'its rule breaks TCP as written',
  });
}

function opens(machine: GuestMachine | undefined, host: string, port: number): boolean {
  return machine?.run(`timeout 1 bash -c 'exec 3<>/dev/tcp/${host}/${port}' 2>/dev/null`).status === 0;
}

/** Frames for the virtual address sent straight to an edge's card, past the directors. */
export function onLink({ results, edges, attacker }: MediaSite): void {
  const [edge] = edges;
  if (!edge) return;
  const attack = () => {
    attacker.must(`ip neigh replace ${VIP} lladdr ${edge.mac()} dev eth0 nud permanent`);
    const isIn = opens(attacker, VIP, 1935);
    attacker.must(`ip neigh del ${VIP} dev eth0`);
    return isIn;
  };
  const guarded = attack();
  edge.must('nft flush chain inet weir link');
  const bare = attack();
  edge.must('nft -f /etc/weir/firewall.nft');
  const again = attack();
  results.add({
    check: 'an attacker on the link cannot reach a real edge past the directors',
    passed: !guarded && bare && !again,
    measured: `${guarded || again ? 'in' : 'out'}; without the rule ${bare ? 'in' : 'out'}`,
    target: 'out',
  });
}

/** Viewers of one stream through the virtual address, on whatever edges the weights in force give them. */
export async function watched(site: MediaSite): Promise<void> {
  const { results, viewers, edges } = site;
  const director = masterOf(site);
  await viewers.ask('watch', { url: STREAM_URL, count: VIEWERS });
  await viewers.ask('forget');
  await delay(5_000);
  const looks = await viewers.ask<ViewerLook[]>('look');
  const ports = new Set(looks.map(({ localPort }) => localPort));
  const counts = edges.map((edge) => [...clientPortsOf(edge)].filter((port) => ports.has(port)).length);
  const out = director.must("ipvsadm -Ln --stats | awk '/^TCP/ { out += $5 } END { print out + 0 }'");
  const whole = looks.filter(({ cuts, backwards, bytes }) => cuts === 0 && backwards === 0 && bytes > 0).length;
  results.add({
    check: 'viewers on real edges play without a fault, none of their media comes back through IPVS',
    passed: out === '0' && whole === VIEWERS,
    measured: `${whole} of ${VIEWERS} whole, on the edges ${counts.join(' / ')}; ${out} packets out through IPVS`,
    target: 'all, 0 packets',
    source: 'director CPU 0 %',
    detail: JSON.stringify(looks),
  });
}

/** The agent on a director tells what its kernel does. */
export async function agentTells(site: MediaSite): Promise<void> {
  const { results } = site;
  const director = masterOf(site);
  director.start('agent', director.command('weir-agent.service'));
  let told: Told[] = [];
  const of = (metric: string) =>
    told.filter(({ metric: name, attributes }) => name === metric && attributes['weir.ipvs.service'] !== `${VIP}:80`);
  await until(
    'three samples of the agent',
    () => {
      told = toldBy(site, director.name, 'weir.ipvs', 'weir.vrrp');
      return of('weir.ipvs.servers').length >= 3;
    },
    120_000,
    3_000,
  );
  const weights = of('weir.ipvs.weight')
    .slice(-3)
    .map(({ value }) => value);
  const kernel = [...servers(director).values()];
  const active = of('weir.ipvs.connections').filter(
    ({ attributes }) => attributes['weir.ipvs.connection.state'] === 'active',
  );
  const open = active.slice(-3).reduce((sum, { value }) => sum + value, 0);
  const bytes = of('weir.ipvs.io').reduce((sum, { value }) => sum + value, 0);
  const master = of('weir.vrrp.state').findLast(({ attributes }) => attributes['weir.vrrp.state'] === 'master');
  results.add({
    check: 'the agent of the master tells so, and weights, connections and bytes of each edge',
    passed:
      weights.length === 3 &&
      weights.every((weight) => weight > 0) &&
      open >= VIEWERS &&
      bytes > 0 &&
      master?.value === 1,
    measured: `weights ${weights.join(' : ')} (kernel now ${kernel.join(' : ')}), ${open} open connections, ${(bytes / 1e3).toFixed(0)} kB passed on`,
  });
}
