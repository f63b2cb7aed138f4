/** What the directors and the name server of the generated week report: part of the figures that week/points.ts puts together. */
import { SITE_ATTRIBUTE, VRRP_STATES } from '@weir/contracts/site-metrics';
import { balancedEdges, WEEK_GROUP } from './cluster.ts';
import { during, type Entry, entry, type Incidents } from './sql.ts';

const { vrrpGroup, vrrpState, ipvsService, ipvsServer, ipvsConnectionState, direction, dnsName, dnsAddress, dnsSet } =
  SITE_ATTRIBUTE;

/** Connections of an edge in SQL: as many as it has viewers. */
const connections = (weight: number): string => `400 * ${weight} * day`;

/** Metrics of a director: director-1 is master, director-2 its backup. */
export function directorEntries(incidents: Incidents): Entry[] {
  const split = during(incidents, 'vrrp-split');
  const lost = during(incidents, 'address-lost');
  const flapping = during(incidents, 'vrrp-flapping');
  const without = during(incidents, 'no-servers');
  const group = { [vrrpGroup]: WEEK_GROUP.name };
  const service = { [ipvsService]: WEEK_GROUP.service };
  const state = `multiIf(${lost}, 'fault', ${split} OR node = 'director-1', 'master', 'backup')`;
  return [
    ...VRRP_STATES.map((name) => entry('weir.vrrp.state', { ...group, [vrrpState]: name }, `${state} = '${name}'`)),
    ...VRRP_STATES.map((name) =>
      entry(
        'weir.vrrp.changes',
        { ...group, [vrrpState]: name },
        name === 'master' || name === 'backup' ? `if(${flapping}, 0.05, 0)` : '0',
      ),
    ),
    entry('weir.vrrp.address.held', group, `${state} = 'master'`),
    entry('weir.vrrp.directors', group, '2'),
    entry('weir.ipvs.servers', service, `if(${without}, 0, ${balancedEdges().length})`),
    ...balancedEdges().flatMap(({ server, weight }) => {
      const edge = { ...service, [ipvsServer]: server };
      const now = connections(weight);
      return [
        entry('weir.ipvs.weight', edge, `if(${without}, 0, ${Math.round(weight * 100)})`),
        entry('weir.ipvs.connections', { ...edge, [ipvsConnectionState]: 'active' }, now),
        entry('weir.ipvs.connections', { ...edge, [ipvsConnectionState]: 'inactive' }, `${now} / 50`),
        entry('weir.ipvs.connections.opened', edge, `if(node = 'director-1', ${now} / 1800, 0)`),
        entry('weir.ipvs.io', { ...edge, [direction]: 'receive' }, `if(node = 'director-1', ${now} * 1500, 0)`),
        entry('weir.ipvs.io', { ...edge, [direction]: 'transmit' }, '0'),
      ];
    }),
  ];
}

/** Metrics of a name server: two groups answer while they live, the second is the other site's. */
export function nameServerEntries(incidents: Incidents): Entry[] {
  const down = during(incidents, 'dns-group-down');
  const failing = during(incidents, 'dns-failing');
  const name = { [dnsName]: WEEK_GROUP.dnsName };
  return [
    entry('weir.dns.address.up', { ...name, [dnsAddress]: WEEK_GROUP.address, [dnsSet]: 'answers' }, `NOT ${down}`),
    entry('weir.dns.address.up', { ...name, [dnsAddress]: WEEK_GROUP.backup, [dnsSet]: 'backup' }, '1'),
    entry('weir.dns.answers', name, `multiIf(${failing}, 0, 1)`),
    entry('weir.dns.answer.time', name, `if(${failing}, 2, 0.0004 + sipHash64(t) % 100 / 1e6)`),
    entry('weir.dns.answer.failures', name, `if(${failing}, 0.2, 0)`),
  ];
}
