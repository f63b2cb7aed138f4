/**
 * keepalived.conf of a director: the virtual address by VRRP, connections to edges by IPVS in direct routing, edges that
 * do not answer taken out, weights that follow load (L7, L8, B9). Connections are synced to the partner (L9).
 */
import { compareAddresses } from '@weir/contracts/topology/network';
import type { Topology } from '@weir/contracts/topology/schema';
import { directorsOf, edgesOf, interfaceOf, type NamedGroup, type NamedMachine, type Plan } from './plan.ts';
import { header, type RenderedFile } from './rendered.ts';

/** Where the directors' question for an edge's load lives. */
export const WEIGHT_SCRIPT = '/usr/local/lib/weir/edge-weight';

/** Steps of the dynamic weight: an edge at half its load has half of its steps left. */
export const WEIGHT_STEPS = 10;

const HIGHEST_PRIORITY = 200;
const PRIORITY_STEP = 10;

/** An edge as a director sees it. */
interface RealServer {
  address: string;
  weight: number;
  comment: string;
}

export function keepalivedConf(plan: Plan, group: NamedGroup, machine: NamedMachine): RenderedFile {
  const { topology } = plan;
  const rank = group.directors.indexOf(machine.name);
  const card = interfaceOf(plan, machine);
  const partners = directorsOf(plan, group).filter((director) => director.name !== machine.name);
  const preempt = topology.vrrp.preempt;
  const content = `${header(machine.name, `keepalived of group ${group.name}`)}
global_defs {
  router_id ${machine.name}
  vrrp_version 3
  vrrp_garp_master_refresh 30
  max_auto_priority 50
  enable_script_security
  script_user root
  # open connections are known to the partner, so that they survive this machine
  lvs_sync_daemon ${card} inst ${group.name} id ${group.virtualRouterId}
}

vrrp_instance ${group.name} {
  state ${preempt && rank === 0 ? 'MASTER' : 'BACKUP'}
${preempt ? '' : '  # a director that comes back waits: it does not know the connections opened meanwhile\n  nopreempt\n'}  interface ${card}
  virtual_router_id ${group.virtualRouterId}
  priority ${HIGHEST_PRIORITY - rank * PRIORITY_STEP}
  advert_int ${topology.vrrp.advertSeconds}
${unicast(topology, machine, partners)}  virtual_ipaddress {
    ${group.virtualAddress}/32 dev ${card}
  }
}
${services(topology)
  .map((service) => virtualServer(topology, group, service, realServers(plan, group)))
  .join('')}`;
  return { path: '/etc/keepalived/keepalived.conf', content, reaction: { verb: 'reload', unit: 'keepalived.service' } };
}

function unicast(topology: Topology, machine: NamedMachine, partners: readonly NamedMachine[]): string {
  if (!topology.vrrp.unicast) return '';
  const peers = partners.map((partner) => `    ${partner.address}\n`).join('');
  return `  unicast_src_ip ${machine.address}\n  unicast_peer {\n${peers}  }\n`;
}

interface Service {
  name: string;
  port: number;
  persistenceSeconds: number;
}

/**
 * What the virtual address offers, as IPVS sees it: with hiding on the directors the firewall has already put the
 * hidden port into the packet when IPVS takes it.
 */
function services({ ports, hiding, limits }: Topology): Service[] {
  const hidden = hiding.method === 'director';
  return [
    { name: 'RTMP', port: hidden ? ports.rtmpHidden : ports.rtmp, persistenceSeconds: limits.persistenceSeconds.rtmp },
    { name: 'HTTP', port: hidden ? ports.node : ports.http, persistenceSeconds: limits.persistenceSeconds.http },
  ];
}

/** By address, the same before and after an edge took its reserved one: adding it leaves directors alone. */
function realServers(plan: Plan, group: NamedGroup): RealServer[] {
  const edges = edgesOf(plan, group);
  const weights = new Map(edges.map((edge) => [edge.address, edge.weight ?? 1]));
  const names = new Map(edges.map((edge) => [edge.address, edge.name]));
  return [...new Set([...weights.keys(), ...group.reserved])].sort(compareAddresses).map((address) => ({
    address,
    weight: weights.get(address) ?? 1,
    comment: group.reserved.includes(address) ? 'reserved' : (names.get(address) ?? ''),
  }));
}

function virtualServer(
  topology: Topology,
  group: NamedGroup,
  service: Service,
  servers: readonly RealServer[],
): string {
  const { health } = topology;
  const persistence = service.persistenceSeconds > 0 ? `  persistence_timeout ${service.persistenceSeconds}\n` : '';
  return `
# ${service.name}
virtual_server ${group.virtualAddress} ${service.port} {
  delay_loop ${health.intervalSeconds}
  lvs_sched wrr
  lvs_method DR
  protocol TCP
${persistence}${servers.map((server) => realServer(topology, service, server)).join('')}}
`;
}

function realServer({ health, ports }: Topology, service: Service, server: RealServer): string {
  const scale = health.dynamicWeight ? WEIGHT_STEPS : 1;
  const dynamic = `    MISC_CHECK {
      misc_path "${WEIGHT_SCRIPT} ${server.address} ${ports.node} ${server.weight}"
      misc_timeout 3
      misc_dynamic
      delay_loop ${health.weightIntervalSeconds}
    }
`;
  return `  # ${server.comment}
  real_server ${server.address} ${service.port} {
    weight ${server.weight * scale}
    HTTP_GET {
      connect_port ${ports.node}
      connect_timeout ${health.timeoutSeconds}
      retry ${health.retries}
      delay_before_retry ${health.retryDelaySeconds}
      url {
        path /healthz
        status_code 200
      }
    }
${health.dynamicWeight ? dynamic : ''}  }
`;
}

/** The script behind the dynamic weight. Its exit status is the weight plus two; 0 leaves the weight alone. */
export function weightScript(): RenderedFile {
  return {
    path: WEIGHT_SCRIPT,
    mode: '0755',
    content: `#!/bin/sh
# Asks an edge for its load and tells keepalived the weight it should have: edge-weight ADDRESS PORT WEIGHT
# GET /weight answers 0 (take nothing more) to 100 (idle). An edge that does not know /weight is asked whether it drains:
# then it gets no new connections and keeps those it has. Death is noticed by another check.
address=$1 port=$2 weight=$3
if answer=$(curl -fsS --max-time 2 "http://$address:$port/weight" 2>/dev/null); then
  percent=$(printf '%s' "$answer" | sed -n 's/^[^0-9]*\\([0-9]\\{1,3\\}\\).*/\\1/p' | head -n 1)
  [ -n "$percent" ] || exit 0
  [ "$percent" -le 100 ] || percent=100
  steps=$(((percent + ${WEIGHT_STEPS / 2}) / ${100 / WEIGHT_STEPS}))
  # a little is not nothing
  [ "$percent" -gt 0 ] && [ "$steps" -eq 0 ] && steps=1
  exit $((2 + weight * steps))
fi
# an edge without /weight: a draining one says so, everything else is for the health check to judge
case $(curl -s --max-time 2 "http://$address:$port/readyz" 2>/dev/null) in
  *drain*) exit 2 ;;
  *ready*) exit $((2 + weight * ${WEIGHT_STEPS})) ;;
  *) exit 0 ;;
esac
`,
  };
}
