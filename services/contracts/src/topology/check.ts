/** What a schema can't say: whether the parts of a topology fit together. `load.ts` comes before, rendering after. */

import { checkNames } from './check-names.ts';
import { checkPorts } from './check-ports.ts';
import { closestName } from './names.ts';
import { isAddress, isEndOfNetwork, isInNetwork, isMac, parseNetwork, parseSpeed } from './network.ts';
import type { Topology } from './schema.ts';

/** One thing that is wrong or doubtful; `path` is the key in the file, dots between. */
export interface Problem {
  code: string;
  path: string;
  message: string;
}

/** All that is wrong with `topology`, and all that works but deserves a second look. */
export function checkTopology(topology: Topology): { problems: Problem[]; warnings: Problem[] } {
  const problems: Problem[] = [];
  const warnings: Problem[] = [];
  const report = (code: string, path: string, message: string) =>
    problems.push({ code: `TOPOLOGY_${code}`, path, message });
  const warn = (code: string, path: string, message: string) =>
    warnings.push({ code: `TOPOLOGY_${code}`, path, message });
  checkSites(topology, report);
  checkNames(topology, report);
  checkAddresses(topology, report);
  checkMachines(topology, report);
  checkGroups(topology, report);
  checkPorts(topology, report);
  checkDns(topology, report, warn);
  checkServices(topology, report, warn);
  return { problems, warnings };
}

/** Takes a problem: its code without `TOPOLOGY_`, the key, the sentence's end. */
export type Report = (code: string, path: string, message: string) => void;

function checkSites({ sites, admin }: Topology, report: Report): void {
  for (const [name, site] of Object.entries(sites)) {
    if (!parseNetwork(site.network)) report('NETWORK', `sites.${name}.network`, noNetwork(site.network));
  }
  admin.networks.forEach((network, at) => {
    if (!parseNetwork(network)) report('NETWORK', `admin.networks.${at}`, noNetwork(network));
  });
}

function noNetwork(text: string): string {
  return text.includes(':') ? `${text} ${IPV6}` : `"${text}" is no network like 10.0.0.0/24`;
}

const IPV6 = 'is IPv6; what is rendered for directors, firewalls and zones speaks IPv4 only';

/** Each address and hardware address stands once, is one, and lies on the link of its site. */
function checkAddresses({ sites, groups, machines }: Topology, report: Report): void {
  const used = new Map<string, string>();
  const take = (address: string, path: string) => {
    if (!isAddress(address))
      return report('ADDRESS', path, address.includes(':') ? `${address} ${IPV6}` : `"${address}" is no IPv4 address`);
    const other = used.get(address);
    if (other !== undefined) return report('ADDRESS_TWICE', path, `${address} is already used by ${other}`);
    used.set(address, path);
  };
  const onLink = (address: string, siteName: string, path: string) => {
    const site = sites[siteName];
    if (site && isAddress(address) && parseNetwork(site.network) && !isInNetwork(address, site.network)) {
      report('OFF_LINK', path, `${address} is outside ${site.network}, the link of site ${siteName}`);
    }
    if (site && isEndOfNetwork(address, site.network))
      report('ADDRESS', path, `${address} is the first or last of ${site.network}: no machine can have it`);
  };
  const macs = new Map<string, string>();
  for (const [name, machine] of Object.entries(machines)) {
    take(machine.address, `machines.${name}.address`);
    onLink(machine.address, machine.site, `machines.${name}.address`);
    if (machine.mac === undefined) continue;
    const mac = machine.mac.toLowerCase();
    if (!isMac(mac))
      report('MAC', `machines.${name}.mac`, `"${machine.mac}" is no hardware address like 52:54:00:12:34:56`);
    const other = macs.get(mac);
    if (other !== undefined)
      report('MAC_TWICE', `machines.${name}.mac`, `${machine.mac} is already the card of ${other}`);
    macs.set(mac, name);
  }
  for (const [name, group] of Object.entries(groups)) {
    take(group.virtualAddress, `groups.${name}.virtualAddress`);
    group.reserved.forEach((address, at) => {
      const path = `groups.${name}.reserved.${at}`;
      const owner = Object.entries(machines).find(([, machine]) => machine.address === address);
      // an edge that took its reserved address: as intended
      if (owner?.[1].group !== name) take(address, path);
      onLink(address, group.site, path);
    });
  }
}

function checkMachines({ sites, groups, machines }: Topology, report: Report): void {
  const directors = new Set(Object.values(groups).flatMap((group) => group.directors));
  for (const [name, machine] of Object.entries(machines)) {
    const path = `machines.${name}`;
    if (!sites[machine.site]) {
      report(
        'SITE',
        `${path}.site`,
        `there is no site "${machine.site}"${closestName(machine.site, Object.keys(sites))}`,
      );
    }
    const isEdge = machine.roles.includes('edge');
    if (machine.roles.length === 0 && !directors.has(name)) {
      report(
        'IDLE',
        path,
        'has no roles and directs no group: give it `roles`, name it in a group’s `directors`, or take it out',
      );
    }
    if (new Set(machine.roles).size < machine.roles.length) report('ROLE_TWICE', `${path}.roles`, 'names a role twice');
    if (directors.has(name) && (isEdge || machine.roles.includes('origin'))) {
      report(
        'DIRECTOR_IS_EDGE',
        path,
        'directs a group and serves media: replies of direct routing would loop; use two machines',
      );
    }
    if (machine.roles.includes('nats') && machine.roles.includes('nats-leaf')) {
      report('NATS_BOTH', `${path}.roles`, 'is a NATS cluster member and a leaf of the same cluster: choose one');
    }
    if (!isEdge && (machine.group !== undefined || machine.weight !== undefined)) {
      report('NOT_AN_EDGE', path, '`group` and `weight` are for edges, and `roles` has no edge');
    }
    if (machine.group !== undefined) {
      const group = groups[machine.group];
      if (!group)
        report(
          'GROUP',
          `${path}.group`,
          `there is no group "${machine.group}"${closestName(machine.group, Object.keys(groups))}`,
        );
      else if (group.site !== machine.site) {
        report(
          'GROUP_SITE',
          `${path}.group`,
          `group ${machine.group} is in site ${group.site}; direct routing needs one link`,
        );
      }
    }
    if (machine.shard !== undefined && !machine.roles.includes('clickhouse'))
      report('SHARD', `${path}.shard`, 'only a machine with the role clickhouse has a shard');
    for (const [card, speed] of Object.entries(machine.cards)) {
      if (parseSpeed(speed) === undefined)
        report('SPEED', `${path}.cards.${card}`, `"${speed}" is no speed like 1Gbit or 2500Mbit`);
    }
  }
}

function checkGroups({ sites, groups, machines, hiding }: Topology, report: Report): void {
  const routers = new Map<string, string>();
  const directing = new Map<string, string>();
  for (const [name, group] of Object.entries(groups)) {
    const path = `groups.${name}`;
    if (!sites[group.site])
      report('SITE', `${path}.site`, `there is no site "${group.site}"${closestName(group.site, Object.keys(sites))}`);
    const router = `${group.site}/${group.virtualRouterId}`;
    const other = routers.get(router);
    if (other !== undefined)
      report(
        'ROUTER_ID_TWICE',
        `${path}.virtualRouterId`,
        `${group.virtualRouterId} is already the id of group ${other} on the same link`,
      );
    routers.set(router, name);
    if (group.directors.length < 2)
      report('NO_PARTNER', `${path}.directors`, 'a director without a partner is a single point of failure: name two');
    for (const director of group.directors) {
      const machine = machines[director];
      const where = `${path}.directors`;
      if (!machine) {
        report('DIRECTOR', where, `there is no machine "${director}"${closestName(director, Object.keys(machines))}`);
        continue;
      }
      const busy = directing.get(director);
      if (busy !== undefined)
        report(
          'DIRECTOR_TWICE',
          where,
          `${director} already directs group ${busy}; the connection sync serves one group`,
        );
      directing.set(director, name);
      if (machine.site !== group.site)
        report('GROUP_SITE', where, `${director} is in site ${machine.site}, the group in ${group.site}`);
      if (hiding.onLink && machine.mac === undefined) {
        report(
          'NO_MAC',
          `machines.${director}.mac`,
          'is missing: edges take the virtual address’s frames from known cards only (or set hiding.onLink to false)',
        );
      }
    }
    const edges = Object.values(machines).filter((machine) => machine.group === name && machine.roles.includes('edge'));
    if (edges.length === 0) report('NO_EDGES', path, 'no edge belongs to this group');
    else if (edges.every((edge) => edge.weight === 0))
      report('WEIGHT_ZERO', path, 'every edge has weight 0: nobody would be served');
  }
}

function checkDns({ dns, groups, machines }: Topology, report: Report, warn: Report): void {
  const servers = Object.entries(machines).filter(([, machine]) => machine.roles.includes('dns'));
  if (dns.zone === '') {
    const [first] = servers;
    if (first) report('NO_ZONE', 'dns.zone', `is missing, but ${first[0]} has the role dns`);
    return;
  }
  if (!/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/i.test(dns.zone))
    report('ZONE', 'dns.zone', `"${dns.zone}" is no zone like live.example.net`);
  if (servers.length === 0) report('NO_DNS', 'dns.zone', 'no machine has the role dns');
  if (servers.length === 1) warn('ONE_DNS', 'dns', 'one name server: its death ends every answer');
  const names = new Set<string>();
  dns.records.forEach((record, at) => {
    const path = `dns.records.${at}`;
    if (!/^(@|[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)$/i.test(record.name))
      report('RECORD_NAME', `${path}.name`, `"${record.name}" is no name in a zone`);
    const name = record.name.toLowerCase();
    if (names.has(name) || /^(ns\d+|_health)$/.test(name))
      report('RECORD_TWICE', `${path}.name`, `${record.name} is already a name of the zone`);
    names.add(name);
    for (const group of [...record.groups, ...record.backup]) {
      if (!groups[group])
        report('GROUP', path, `there is no group "${group}"${closestName(group, Object.keys(groups))}`);
    }
    for (const group of record.backup) {
      if (record.groups.includes(group)) report('BACKUP', `${path}.backup`, `${group} is in \`groups\` and \`backup\``);
    }
    if (record.groups.every((group) => groups[group]?.weight === 0))
      report('WEIGHT_ZERO', path, 'every group has weight 0: nobody would be answered');
    if (record.backup.length > 0 && new Set(record.groups.map((group) => groups[group]?.weight)).size > 1) {
      report('BACKUP_WEIGHT', path, 'groups with a backup answer all at once: give them equal weights');
    }
  });
}

function checkServices({ machines }: Topology, report: Report, warn: Report): void {
  const count = (role: string) =>
    Object.values(machines).filter((machine) => machine.roles.some((is) => is === role)).length;
  if (Object.keys(machines).length === 0) report('EMPTY', 'machines', 'there are no machines');
  if (count('edge') > 0 && count('origin') === 0) report('NO_ORIGIN', 'machines', 'no machine has the role origin');
  if (count('origin') === 1) warn('ONE_ORIGIN', 'machines', 'one origin: edges must be elected when it dies');
  const nats = count('nats');
  if (nats === 0 && count('edge') + count('ingest') + count('nats-leaf') > 0)
    report('NO_NATS', 'machines', 'no machine has the role nats');
  if (nats > 0 && nats % 2 === 0)
    report('NATS_EVEN', 'machines', `${nats} NATS servers bear no more deaths than ${nats - 1}: use 1, 3 or 5`);
  if (nats === 1) warn('ONE_NATS', 'machines', 'one NATS server: while it is away, directory and telemetry wait');
  if (count('clickhouse') > 0 && count('ingest') === 0)
    report('NO_INGEST', 'machines', 'nobody writes to ClickHouse: no machine has the role ingest');
  if (count('ingest') > 0 && count('clickhouse') === 0)
    report('NO_CLICKHOUSE', 'machines', 'ingest has nowhere to write: no machine has the role clickhouse');
  if (count('clickhouse') === 2)
    warn('KEEPER', 'machines', 'two ClickHouse servers share one Keeper on the first: three keep quorum');
}
