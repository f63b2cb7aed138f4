/**
 * PowerDNS of a name server: a zone whose answers are health-checked by the server itself (L6, L6b), so a group that dies
 * as a whole leaves the answers. Every name server checks and answers by itself; no zone transfers.
 */
import { createHash } from 'node:crypto';
import type { DnsRecord } from '@weir/contracts/topology/schema';
import { type NamedMachine, type Plan, withRole } from './plan.ts';
import { type Contribution, header, type RenderedFile } from './rendered.ts';

const REACTION = { verb: 'restart', unit: 'pdns.service' } as const;

export function nameServer(plan: Plan, machine: NamedMachine): Contribution {
  const { zone } = plan.topology.dns;
  const zonePath = `/etc/powerdns/${zone}.zone`;
  const files: RenderedFile[] = [
    { path: '/etc/powerdns/pdns.conf', content: settings(plan, machine), reaction: REACTION },
    {
      path: '/etc/powerdns/named.conf',
      content: `${header(machine.name, 'Zones')}zone "${zone}" { type native; file "${zonePath}"; };\n`,
      reaction: REACTION,
    },
    { path: zonePath, content: zoneFile(plan), reaction: REACTION },
  ];
  return {
    packages: ['pdns-server', 'pdns-backend-bind'],
    files,
    units: ['pdns.service'],
    openings: [
      { ports: [53], protocol: 'udp', from: 'any', comment: 'DNS' },
      { ports: [53], protocol: 'tcp', from: 'any', comment: 'DNS' },
    ],
  };
}

function settings(plan: Plan, machine: NamedMachine): string {
  const { dns } = plan.topology;
  return `${header(machine.name, 'PowerDNS')}launch=bind
bind-config=/etc/powerdns/named.conf
local-address=${machine.address}
local-port=53
socket-dir=/run/pdns
setuid=pdns
setgid=pdns
version-string=anonymous
disable-axfr=yes
# answers are made anew from what the checks say
enable-lua-records=yes
lua-health-checks-interval=${dns.intervalSeconds}
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
`;
}

function zoneFile(plan: Plan): string {
  const { dns } = plan.topology;
  const servers = withRole(plan, 'dns');
  const ttl = dns.ttlSeconds;
  const body = [
    ...servers.map((_server, at) => `@ 3600 IN NS ns${at + 1}`),
    ...servers.map((server, at) => `ns${at + 1} 3600 IN A ${server.address}`),
    ...dns.records.map((record) => `${record.name} ${ttl} IN LUA A ${quoted(program(plan, record))}`),
    // what the checks say of each group, for the agent of this machine
    ...dns.records.map((record) => `${healthName(record)} 0 IN LUA TXT ${quoted(healthProgram(plan, record))}`),
  ].join('\n');
  return `; Zone of the cluster. Rendered from the topology: change it there, render again.
$ORIGIN ${dns.zone}.
@ 3600 IN SOA ns1 ${dns.hostmaster} ${serial(body)} 3600 600 86400 ${ttl}
${body}
`;
}

/**
 * What a record computes. Primary groups with a backup are asked over HTTP, which alone knows sets of addresses;
 * all others by a connection to the RTMP port. Equal weights answer with all that live, others with one by its share.
 */
function program(plan: Plan, record: DnsRecord): string {
  const { ports, dns } = plan.topology;
  const address = (name: string) => plan.topology.groups[name]?.virtualAddress ?? '';
  const weight = (name: string) => plan.topology.groups[name]?.weight ?? 0;
  const list = (names: readonly string[]) => `{${names.map((name) => `'${address(name)}'`).join(',')}}`;
  const options = `{selector='all',timeout=${dns.timeoutSeconds}}`;
  const groups = record.groups.filter((name) => weight(name) > 0);
  if (record.backup.length > 0) {
    return `ifurlup('${healthUrl(plan)}',{${list(groups)},${list(record.backup)}},${options})`;
  }
  const up = `ifportup(${ports.rtmp},${list(groups)},${options})`;
  if (new Set(groups.map(weight)).size === 1) return up;
  const shares = groups.map((name) => `['${address(name)}']=${weight(name)}`).join(',');
  return `;local share={${shares}} local live={} for _,ip in ipairs(${up}) do live[#live+1]={share[ip],ip} end return pickwrandom(live)`;
}

function healthUrl({ topology: { dns, ports } }: Plan): string {
  return `http://${dns.zone}${ports.http === 80 ? '' : `:${ports.http}`}/healthz`;
}

/** `_health.rtmp` for `rtmp`. */
function healthName({ name }: DnsRecord): string {
  return name === '@' ? '_health' : `_health.${name}`;
}

/** Never alive, and refused at once: beside it alone an address that is dead cannot be the only answer. */
const NOBODY = '255.255.255.255';

/**
 * Text like `answers 10.20.0.100=1; backup 10.30.0.100=0`. PowerDNS tells the result of a check only by what it answers,
 * and answers with all when all are dead: so each address is asked for together with one that never lives.
 */
function healthProgram(plan: Plan, record: DnsRecord): string {
  const { dns, ports } = plan.topology;
  const list = (names: readonly string[]) => names.map((name) => `'${plan.topology.groups[name]?.virtualAddress}'`);
  const options = `{selector='all',backupSelector='all',timeout=${dns.timeoutSeconds}}`;
  const up =
    record.backup.length === 0
      ? `ifportup(${ports.rtmp},{ip,'${NOBODY}'},o)`
      : `ifurlup('${healthUrl(plan)}',{{ip},{'${NOBODY}'}},o)`;
  const tell = (set: string, names: readonly string[]) =>
    names.length === 0
      ? ''
      : ` s=s..'${set}' for _,ip in ipairs({${list(names)}}) do s=s..' '..ip..(#${up}==1 and '=1' or '=0') end`;
  return `;local o=${options} local s=''${tell('answers', record.groups)}${tell('; backup', record.backup)} return s`;
}

/** A record's text as strings of at most 255 bytes. */
function quoted(text: string): string {
  return (text.match(/.{1,250}/g) ?? []).map((part) => `"${part}"`).join(' ');
}

/** Changes with the zone; nobody transfers it, so it need not grow. */
function serial(body: string): number {
  return createHash('sha256').update(body).digest().readUInt32BE(0) >>> 1;
}
