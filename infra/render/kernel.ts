/** Kernel settings: of directors (IPVS), of edges (silence about the virtual address, many sockets), of all. */
import { groupOf, type NamedMachine, type Plan } from './plan.ts';
import { header, type RenderedFile } from './rendered.ts';

const SYSCTL_PATH = '/etc/sysctl.d/60-weir.conf';
const MODULES_PATH = '/etc/modules-load.d/weir.conf';

/** A leading `-` lets a setting be missing: modules bring some of them. */
const DIRECTOR = `
# A dead edge's clients are told at once instead of hanging.
net.ipv4.vs.expire_nodest_conn = 1
net.ipv4.vs.expire_quiescent_template = 1
# Replies do not pass here: tracking would only see halves.
net.ipv4.vs.conntrack = 0
`;

const SILENT = `
# The virtual address is the directors' to announce.
net.ipv4.conf.all.arp_ignore = 1
net.ipv4.conf.all.arp_announce = 2
`;

const MEDIA = `
# Many viewers at once, each written to every merge window.
net.core.somaxconn = 65535
net.ipv4.tcp_max_syn_backlog = 16384
net.ipv4.tcp_slow_start_after_idle = 0
net.ipv4.tcp_notsent_lowat = 131072
net.ipv4.tcp_keepalive_time = 60
net.ipv4.tcp_keepalive_intvl = 10
net.ipv4.tcp_keepalive_probes = 3
-net.netfilter.nf_conntrack_max = 524288
`;

const ALL = `
net.ipv4.tcp_syncookies = 1
net.ipv4.conf.all.accept_redirects = 0
net.ipv4.conf.all.send_redirects = 0
net.ipv4.conf.all.accept_source_route = 0
`;

export function directorKernel(machine: NamedMachine): RenderedFile[] {
  return [
    sysctl(machine, DIRECTOR + ALL),
    {
      path: MODULES_PATH,
      content: `${header(machine.name, 'Kernel modules')}ip_vs\nip_vs_wrr\n`,
      reaction: { verb: 'restart', unit: 'systemd-modules-load.service' },
    },
  ];
}

export function mediaKernel(plan: Plan, machine: NamedMachine): RenderedFile[] {
  const silent = groupOf(plan, machine) ? SILENT : '';
  return [
    sysctl(machine, silent + MEDIA + ALL),
    {
      path: MODULES_PATH,
      content: `${header(machine.name, 'Kernel modules')}nf_conntrack\n`,
      reaction: { verb: 'restart', unit: 'systemd-modules-load.service' },
    },
  ];
}

export function serviceKernel(machine: NamedMachine): RenderedFile[] {
  return [sysctl(machine, ALL)];
}

function sysctl(machine: NamedMachine, settings: string): RenderedFile {
  return {
    path: SYSCTL_PATH,
    content: header(machine.name, 'Kernel settings') + settings,
    reaction: { verb: 'restart', unit: 'systemd-sysctl.service' },
  };
}
