/**
 * The part of the catalogue that `weir agent` reports of a site's own machines: which director holds a virtual address,
 * what its kernel balances, what a name server thinks of the groups. Before it: nothing; after it: metrics.ts, which
 * holds all of the catalogue. A state is one series per possible value, 1 for the one that holds and 0 for the others.
 */
import type { MetricDefinition } from './metrics.ts';

/** States of one director in its group; `stopped`: no VRRP runs on it. */
export const VRRP_STATES = ['master', 'backup', 'fault', 'stopped'] as const;
export type VrrpState = (typeof VRRP_STATES)[number];

/** Attribute names of {@link SITE_METRICS}. */
export const SITE_ATTRIBUTE = {
  /** Group of the topology, which is the name of its VRRP instance. */
  vrrpGroup: 'weir.vrrp.group',
  /** One of {@link VRRP_STATES}. */
  vrrpState: 'weir.vrrp.state',
  /** `address:port` of the virtual address that clients connect to. */
  ipvsService: 'weir.ipvs.service',
  /** `address:port` of one edge behind it. */
  ipvsServer: 'weir.ipvs.server',
  /** `active` (established) or `inactive` (ending, or not answered yet). */
  ipvsConnectionState: 'weir.ipvs.connection.state',
  direction: 'network.io.direction',
  /** Whole name that clients ask for. */
  dnsName: 'weir.dns.name',
  /** Virtual address of a group behind that name. */
  dnsAddress: 'weir.dns.address',
  /** `answers` (groups answered while they live) or `backup` (only when none of those does). */
  dnsSet: 'weir.dns.set',
} as const;

const { vrrpGroup, vrrpState, ipvsService, ipvsServer, ipvsConnectionState, direction, dnsName, dnsAddress, dnsSet } =
  SITE_ATTRIBUTE;

/** By name; scope `node` because an agent is a node of its own, with the role `agent`. */
export const SITE_METRICS = {
  'weir.vrrp.state': {
    kind: 'gauge',
    unit: '1',
    scope: 'node',
    attributes: [vrrpGroup, vrrpState],
    description: 'State of this director in its group: 1 for the present one of master, backup, fault, stopped, else 0',
  },
  'weir.vrrp.address.held': {
    kind: 'gauge',
    unit: '1',
    scope: 'node',
    attributes: [vrrpGroup],
    description:
      'Whether a card of this director has the virtual address, as the kernel says: 1 or 0. More than one director of a group at 1 is a split brain, none is an outage',
  },
  'weir.vrrp.directors': {
    kind: 'gauge',
    unit: '{machine}',
    scope: 'node',
    attributes: [vrrpGroup],
    description: 'Directors the group should have: fewer in the states master and backup means that one is missing',
  },
  'weir.vrrp.changes': {
    kind: 'counter',
    unit: '{change}',
    scope: 'node',
    attributes: [vrrpGroup, vrrpState],
    description: 'Changes of this director into a state',
  },
  'weir.ipvs.servers': {
    kind: 'gauge',
    unit: '{server}',
    scope: 'node',
    attributes: [ipvsService],
    description:
      'Edges of a virtual service that this director gives connections to (weight above 0); 0 = nobody is served',
  },
  'weir.ipvs.weight': {
    kind: 'gauge',
    unit: '1',
    scope: 'node',
    attributes: [ipvsService, ipvsServer],
    description: 'Weight of an edge in force; absent while it is out because it fails its health check',
  },
  'weir.ipvs.connections': {
    kind: 'gauge',
    unit: '{connection}',
    scope: 'node',
    attributes: [ipvsService, ipvsServer, ipvsConnectionState],
    description: 'Connections of an edge that this director knows (its own and its partner’s, by the sync) by state',
  },
  'weir.ipvs.connections.opened': {
    kind: 'counter',
    unit: '{connection}',
    scope: 'node',
    attributes: [ipvsService, ipvsServer],
    description: 'Connections this director gave to an edge',
  },
  'weir.ipvs.packets': {
    kind: 'counter',
    unit: '{packet}',
    scope: 'node',
    attributes: [ipvsService, ipvsServer, direction],
    description: 'Packets passed on to an edge (receive) and from it (transmit: none in direct routing)',
  },
  'weir.ipvs.io': {
    kind: 'counter',
    unit: 'By',
    scope: 'node',
    attributes: [ipvsService, ipvsServer, direction],
    description: 'Bytes passed on to an edge (receive) and from it (transmit: none in direct routing)',
  },
  'weir.dns.address.up': {
    kind: 'gauge',
    unit: '1',
    scope: 'node',
    attributes: [dnsName, dnsAddress, dnsSet],
    description: 'Whether this name server’s own check finds the group alive: 1 or 0',
  },
  'weir.dns.answers': {
    kind: 'gauge',
    unit: '{address}',
    scope: 'node',
    attributes: [dnsName],
    description: 'Addresses in this name server’s answer',
  },
  'weir.dns.answer.time': {
    kind: 'gauge',
    unit: 's',
    scope: 'node',
    attributes: [dnsName],
    description: 'Time this name server took to answer, asked on its own machine',
  },
  'weir.dns.answer.failures': {
    kind: 'counter',
    unit: '{question}',
    scope: 'node',
    attributes: [dnsName],
    description: 'Questions to this name server, one a sample, that got no answer',
  },
} as const satisfies Record<string, Omit<MetricDefinition, 'name'>>;
