/**
 * keepalived.conf of a director: the virtual address by VRRP, connections to edges by IPVS in direct routing, edges that
 * do not answer taken out, weights that follow load (L7, L8, B9). Connections are synced to the partner by sync.ts (L9).
 */
import type { Topology } from '@weir/contracts/topology/schema';
import {
  directorsOf,
  interfaceOf,
  type NamedGroup,
  type NamedMachine,
  type Plan,
  type RealServer,
  realServers,
} from './plan.ts';
import { header, type RenderedFile } from './rendered.ts';
import { type Service, services } from './services.ts';
import { WEIGHT_SCRIPT, WEIGHT_STEPS } from './weights.ts';

const HIGHEST_PRIORITY = 200;
const PRIORITY_STEP = 10;
/** Before all other programs, behind the kernel's own threads (50). */
const REALTIME_PRIORITY = 20;
const RUNAWAY_MICROSECONDS = 2_000_000;

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
  # adverts and checks are on time however busy the machine is, and nothing of theirs is swapped out; the kernel ends
  # what runs without a pause for so long (unsaid: for 10 ms, which ends whatever a busy machine has kept waiting,
  # as max_auto_priority did)
  max_auto_priority -1
  vrrp_rt_priority ${REALTIME_PRIORITY}
  vrrp_rlimit_rttime ${RUNAWAY_MICROSECONDS}
  vrrp_no_swap
  checker_rt_priority ${REALTIME_PRIORITY}
  checker_rlimit_rttime ${RUNAWAY_MICROSECONDS}
  checker_no_swap
  enable_script_security
  script_user root
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

function virtualServer(
  topology: Topology,
  group: NamedGroup,
  service: Service,
  servers: readonly RealServer[],
): string {
  const { health } = topology;
  // with hiding on directors the firewall has already put the hidden port into the packet when IPVS takes it
  const port = topology.hiding.method === 'director' ? service.hidden : service.port;
  const persistence = service.persistenceSeconds > 0 ? `  persistence_timeout ${service.persistenceSeconds}\n` : '';
  return `
# ${service.name}
virtual_server ${group.virtualAddress} ${port} {
  delay_loop ${health.intervalSeconds}
  lvs_sched wrr
  lvs_method DR
  protocol TCP
${persistence}${servers.map((server) => realServer(topology, port, server)).join('')}}
`;
}

function realServer({ health, ports }: Topology, port: number, server: RealServer): string {
  const scale = health.dynamicWeight ? WEIGHT_STEPS : 1;
  const dynamic = `    MISC_CHECK {
      misc_path "${WEIGHT_SCRIPT} ${server.address}"
      misc_timeout 60
      misc_dynamic
      delay_loop ${health.weightIntervalSeconds}
    }
`;
  return `  # ${server.comment}
  real_server ${server.address} ${port} {
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
