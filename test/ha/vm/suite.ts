/**
 * What happens inside the virtual machine: a client, an attacker, two directors, three edges and an origin's address are
 * set up from rendered files, then killed, cut off, drained and attacked. Before it guest.sh, after it part-lvs.ts.
 */
import { readFileSync } from 'node:fs';
import {
  countStrangers,
  directorSendsNothing,
  hiding,
  hidingOnDirectors,
  onLink,
  onlyVirtualAddress,
  spread,
} from './access.ts';
import { comesBack, crash, cutOff, drain, killed } from './failure.ts';
import { Clients, GuestMachine, makeLink } from './machines.ts';
import { Results } from './results.ts';
import { hasVip, knowAll, masterOf, type Site, seconds, startKeepalived, startStub, until } from './site.ts';

const RENDERED = '/mnt/rendered';

async function main(results: Results): Promise<void> {
  makeLink();
  const rendered = (name: string) => `${RENDERED}/${name}`;
  const client = new GuestMachine('client', '10.9.0.1');
  const attacker = new GuestMachine('attacker', '10.9.0.2');
  const origin = new GuestMachine('o1', '10.9.0.31');
  const directors = [1, 2].map(
    (at) => new GuestMachine(`d${at}`, `10.9.0.1${at}`, { mac: `52:54:00:09:00:1${at}`, rendered: rendered(`d${at}`) }),
  );
  const edges = [1, 2, 3].map((at) => new GuestMachine(`e${at}`, `10.9.0.2${at}`, { rendered: rendered(`e${at}`) }));
  countStrangers(client);
  install({ results, directors, edges });
  for (const edge of edges) startStub(edge);
  for (const director of directors) startKeepalived(director);
  const clients = new Clients(client);
  const site: Site = { results, directors, edges, client, attacker, origin, clients };

  await settled(site);
  await spread(site);
  onlyVirtualAddress(site);
  await hiding(site);
  onLink(site);
  await directorSendsNothing(site);
  await drain(site);
  await killed(site);
  await cutOff(site);
  await crash(site);
  await comesBack(site);
  await hidingOnDirectors(site, `${RENDERED}-director`);
  clients.close();
}

/** The rendered install script, in each machine; a second run has to change nothing. */
function install({ results, directors, edges }: Pick<Site, 'results' | 'directors' | 'edges'>): void {
  const started = performance.now();
  const machines = [...directors, ...edges];
  const changed = machines.map((machine) => Number(/changed: (\d+)/.exec(machine.install())?.[1]));
  const tookMs = performance.now() - started;
  const again = edges[0]?.install() ?? '';
  const dry = directors[0]?.must(`sh ${directors[0].rendered}/install.sh --dry-run --no-start`) ?? '';
  results.add({
    check: 'the install script installs, and a second run changes nothing',
    passed: changed.every((count) => count > 5) && /^changed: 0$/.test(again) && /^changed: 0$/.test(dry),
    measured: `${changed.join(' + ')} changes on 5 machines in ${seconds(tookMs)}, then 0`,
    detail: again === 'changed: 0' ? '' : again,
  });
  for (const machine of machines) machine.boot();
}

async function settled(site: Site): Promise<void> {
  const { results, directors } = site;
  const tookMs = await until('a master', () => directors.some(hasVip));
  await until('three edges on both directors', () => knowAll(directors) && knowAll(directors, 80), 40_000);
  results.add({
    check: 'one director answers for the virtual address, both know three edges on two ports',
    passed: directors.filter(hasVip).length === 1,
    measured: `${masterOf(site).name} after ${seconds(tookMs)}`,
  });
}

const results = new Results('/mnt/results.json');
try {
  await main(results);
} catch (error) {
  results.add({ check: 'the suite runs to its end', passed: false, measured: String(error) });
}
process.stdout.write(
  `memory left: ${/MemAvailable:\s+(\d+) kB/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]} kB\n`,
);
process.exit(results.passed ? 0 : 1);
