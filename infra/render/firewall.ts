/**
 * nftables of each kind of machine: what is open to whom (L10). Directors pass connections for the virtual address
 * without connection tracking; edges translate 1935 to the hidden port, for the virtual address only, and take frames
 * for it from the directors alone.
 */
import type { Topology } from '@weir/contracts/topology/schema';
import {
  adminNetworks,
  directedGroup,
  directorsOf,
  groupOf,
  innerNetworks,
  memberAddresses,
  type NamedGroup,
  type NamedMachine,
  type Plan,
} from './plan.ts';
import { header, type Opening, type RenderedFile } from './rendered.ts';
import { services } from './services.ts';

/** Where the rules are; `weir-firewall.service` loads them. */
export const FIREWALL_PATH = '/etc/weir/firewall.nft';

/** UDP port of the kernel's connection sync between directors. */
const SYNC_PORT = 8848;

/** The rules of a machine; `openings` are what its roles offer. */
export function firewall(plan: Plan, machine: NamedMachine, openings: readonly Opening[]): RenderedFile {
  const { topology } = plan;
  const directed = directedGroup(plan, machine.name);
  const serving = machine.roles.includes('edge') ? groupOf(plan, machine) : undefined;
  const chains = [
    ...(directed ? directorChains(plan, directed) : []),
    ...(serving ? edgeChains(plan, serving) : []),
    inputChain([
      ...(directed ? directorInput(plan, directed, machine) : []),
      ...(serving ? edgeInput(plan, serving) : []),
      ...openings.flatMap((opening) => openingRules(topology, opening)),
      `ip saddr ${set(adminNetworks(plan))} tcp dport ${topology.admin.sshPort} accept comment "login"`,
    ]),
  ];
  const sources = directed || openings.some((opening) => opening.from === 'any' && opening.protocol === 'tcp');
  const content = `${header(machine.name, 'Firewall')}
table inet weir
delete table inet weir
table inet weir {
${sources ? sourcesSet(topology) : ''}${chains.join('\n')}}
`;
  return { path: FIREWALL_PATH, content, reaction: { verb: 'reload', unit: 'weir-firewall.service' } };
}

function chain(name: string, hook: string, rules: readonly string[]): string {
  return `  chain ${name} {\n    type ${hook};\n${rules.map((rule) => `    ${rule}\n`).join('')}  }\n`;
}

function set(items: readonly (string | number)[]): string {
  return items.length === 1 ? String(items[0]) : `{ ${items.join(', ')} }`;
}

function sourcesSet({ limits }: Topology): string {
  return `  # addresses that open connections, each with its own budget of ${limits.perSourcePerSecond} a second
  set sources {
    type ipv4_addr
    size 262144
    flags dynamic
    timeout 1m
  }

`;
}

const NEW_CONNECTION = 'tcp flags & (syn | ack) == syn';

function perSource({ limits }: Topology): string {
  return `update @sources { ip saddr limit rate over ${limits.perSourcePerSecond}/second burst ${limits.perSourceBurst} packets }`;
}

/**
 * Before connection tracking, because replies of direct routing do not come back this way: floods end here, the rest
 * is not tracked. With hiding on the director the hidden ports are closed and the public ones become them.
 */
function directorChains(plan: Plan, group: NamedGroup): string[] {
  const { hiding, limits } = plan.topology;
  const offered = services(plan.topology);
  const to = `ip daddr ${group.virtualAddress}`;
  const open = set(offered.map((service) => service.port));
  const hidden = set(offered.map((service) => service.hidden));
  const rules = [
    `${to} tcp dport ${open} ${NEW_CONNECTION} ${perSource(plan.topology)} counter drop comment "flood of one source"`,
    `${to} tcp dport ${open} ${NEW_CONNECTION} limit rate over ${limits.perDirectorPerSecond}/second burst ${limits.perDirectorPerSecond} packets counter drop comment "flood"`,
  ];
  if (hiding.method === 'director') {
    rules.push(
      `${to} tcp dport ${hidden} counter drop comment "hidden ports"`,
      ...offered.map(({ port, hidden }) => `${to} tcp dport ${port} tcp dport set ${hidden} notrack accept`),
    );
  } else rules.push(`${to} tcp dport ${open} notrack accept`);
  return [chain('arrive', 'filter hook prerouting priority raw; policy accept', rules)];
}

function directorInput(plan: Plan, group: NamedGroup, machine: NamedMachine): string[] {
  const { hiding } = plan.topology;
  const partners = set(
    directorsOf(plan, group)
      .filter((director) => director.name !== machine.name)
      .map((director) => director.address),
  );
  const passed = services(plan.topology).map(({ port, hidden }) => (hiding.method === 'director' ? hidden : port));
  return [
    `ip daddr ${group.virtualAddress} tcp dport ${set(passed)} accept comment "to the edges"`,
    `ip saddr ${partners} ip protocol vrrp accept`,
    `ip saddr ${partners} udp dport ${SYNC_PORT} accept comment "connection sync"`,
    'ip protocol igmp accept',
  ];
}

function edgeChains(plan: Plan, group: NamedGroup): string[] {
  const { hiding } = plan.topology;
  const offered = services(plan.topology);
  const to = `ip daddr ${group.virtualAddress}`;
  const chains: string[] = [];
  if (hiding.onLink) {
    const cards = directorsOf(plan, group).map((director) => (director.mac ?? '').toLowerCase());
    chains.push(
      chain('link', 'filter hook prerouting priority raw - 10; policy accept', [
        `${to} ether saddr != ${set(cards)} counter drop comment "past the directors"`,
      ]),
    );
  }
  if (hiding.method === 'director') {
    const hidden = set(offered.map((service) => service.hidden));
    chains.push(
      chain('arrive', 'filter hook prerouting priority raw; policy accept', [
        `${to} tcp dport ${hidden} notrack accept`,
      ]),
      chain('leave', 'filter hook output priority raw; policy accept', [
        ...offered.map(
          ({ port, hidden: from }) =>
            `ip saddr ${group.virtualAddress} tcp sport ${from} tcp sport set ${port} notrack accept`,
        ),
      ]),
    );
  } else {
    chains.push(
      chain('translate', 'nat hook prerouting priority dstnat; policy accept', [
        ...offered.map(({ port, hidden }) => `${to} tcp dport ${port} dnat ip to ${group.virtualAddress}:${hidden}`),
      ]),
    );
  }
  return chains;
}

function edgeInput(plan: Plan, group: NamedGroup): string[] {
  const { ports, hiding } = plan.topology;
  const directors = set(directorsOf(plan, group).map((director) => director.address));
  const hidden = set(services(plan.topology).map((service) => service.hidden));
  // an untranslated connection to the hidden port is one that tries to get past the directors
  const translated = hiding.method === 'edge' ? 'ct status dnat ' : '';
  return [
    `ip daddr ${group.virtualAddress} tcp dport ${hidden} ${translated}accept comment "viewers and publishers"`,
    `ip saddr ${directors} ip daddr != ${group.virtualAddress} tcp dport ${ports.node} accept comment "health and load"`,
  ];
}

/** Openings of the relay listeners, for members only. */
export function relayOpening(plan: Plan, port: number): Opening {
  return { ports: [port], protocol: 'tcp', from: memberAddresses(plan), comment: 'relays of members' };
}

/** Opening for the machines of all sites and the admins. */
export function innerOpening(plan: Plan, ports: readonly number[], comment: string): Opening {
  return { ports, protocol: 'tcp', from: innerNetworks(plan), comment };
}

function openingRules(topology: Topology, { ports, protocol, from, comment }: Opening): string[] {
  const to = `${protocol} dport ${set(ports)}`;
  if (from !== 'any') return [`ip saddr ${set(from)} ${to} accept comment "${comment}"`];
  const accept = `${to} accept comment "${comment}"`;
  if (protocol !== 'tcp') return [accept];
  return [`${to} ${NEW_CONNECTION} ${perSource(topology)} counter drop comment "flood of one source"`, accept];
}

function inputChain(rules: readonly string[]): string {
  return chain('input', 'filter hook input priority filter; policy drop', [
    'iif lo accept',
    'icmp type { destination-unreachable, time-exceeded, parameter-problem } accept',
    'icmp type echo-request limit rate 50/second accept',
    'icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept',
    'ct state established,related accept',
    'ct state invalid counter drop',
    ...rules,
    'counter comment "refused"',
  ]);
}
