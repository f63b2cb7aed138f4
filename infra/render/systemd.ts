/** systemd units of a machine: Weir's processes (hardened, with systemd's watchdog), firewall, the virtual address on lo. */
import { DATABASE } from '@weir/contracts/tables';
import { DISTRIBUTED_DATABASE, hasShards } from './clickhouse.ts';
import { FIREWALL_PATH } from './firewall.ts';
import { NATS_CONFIG_PATH } from './nats.ts';
import { WEIR_GROUP } from './node-config.ts';
import type { NamedGroup, NamedMachine, Plan } from './plan.ts';
import { header, type RenderedFile } from './rendered.ts';

const UNIT_FOLDER = '/etc/systemd/system';

/** A process whose event loop has not turned for so long is restarted; it tells systemd three times in that time. */
const WATCHDOG_SECONDS = 30;

/** Where a node stands in the way of a start. */
const MEDIA_AFTER = 'network-online.target weir-firewall.service weir-address.service';

/** What every service of ours may not do. */
function hardening(writable: string): string {
  return `NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
PrivateTmp=yes
PrivateDevices=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
UMask=0027
ReadWritePaths=${writable}
`;
}

export function mediaUnit(plan: Plan, machine: NamedMachine, role: 'edge' | 'origin'): RenderedFile {
  return weirUnit(plan, machine, {
    name: `weir-${role}`,
    what: `Weir ${role}`,
    after: MEDIA_AFTER,
    command: `edge --role ${role} --config /etc/weir/${role}.yaml`,
    // low ports, where clients come directly
    capabilities: 'CAP_NET_BIND_SERVICE',
    // a drain tells publishers and viewers to come again elsewhere before it ends
    stopSeconds: 60,
  });
}

export function ingestUnit(plan: Plan, machine: NamedMachine): RenderedFile {
  return weirUnit(plan, machine, {
    name: 'weir-ingest',
    what: 'Weir ingest',
    after: 'network-online.target weir-firewall.service',
    before: `migrate --config /etc/weir/ingest.yaml${hasShards(plan) ? ` --clickhouse-database ${DATABASE} --clickhouse-distributed ${DISTRIBUTED_DATABASE}` : ''}`,
    command: 'ingest --config /etc/weir/ingest.yaml',
    capabilities: '',
    stopSeconds: 30,
  });
}

/** On a director it asks the kernel for what it balances. */
export function agentUnit(plan: Plan, machine: NamedMachine, isDirector: boolean): RenderedFile {
  return weirUnit(plan, machine, {
    name: 'weir-agent',
    what: 'Weir agent',
    after: 'network-online.target weir-firewall.service',
    command: 'agent --config /etc/weir/agent.yaml',
    capabilities: isDirector ? 'CAP_NET_ADMIN' : '',
    stopSeconds: 10,
  });
}

interface WeirUnit {
  name: string;
  what: string;
  after: string;
  /** Command that has to succeed first. */
  before?: string;
  command: string;
  capabilities: string;
  stopSeconds: number;
}

function weirUnit({ topology }: Plan, machine: NamedMachine, unit: WeirUnit): RenderedFile {
  const { path } = topology.software;
  const weir = `${path}/node_modules/.bin/node ${path}/services/cli/src/main.ts`;
  const trust = topology.tls.enabled ? `Environment=NODE_EXTRA_CA_CERTS=${topology.tls.ca}\n` : '';
  const content = `${header(machine.name, unit.what)}[Unit]
Description=${unit.what} ${machine.name}
Wants=network-online.target
After=${unit.after}
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=all
WatchdogSec=${WATCHDOG_SECONDS}
${unit.before ? `ExecStartPre=${weir} ${unit.before}\n` : ''}ExecStart=${weir} ${unit.command}
User=weir
Group=${WEIR_GROUP}
WorkingDirectory=/var/lib/weir
StateDirectory=weir
StateDirectoryMode=0750
Environment=NODE_ENV=production
${trust}Restart=always
RestartSec=1
TimeoutStartSec=300
TimeoutStopSec=${unit.stopSeconds}
LimitNOFILE=262144
TasksMax=4096
OOMScoreAdjust=-500
CapabilityBoundingSet=${unit.capabilities}
AmbientCapabilities=${unit.capabilities}
${hardening('/var/lib/weir')}
[Install]
WantedBy=multi-user.target
`;
  return {
    path: `${UNIT_FOLDER}/${unit.name}.service`,
    content,
    reaction: { verb: 'restart', unit: `${unit.name}.service` },
  };
}

export function natsUnit(machine: NamedMachine): RenderedFile {
  return {
    path: `${UNIT_FOLDER}/weir-nats.service`,
    reaction: { verb: 'restart', unit: 'weir-nats.service' },
    content: `${header(machine.name, 'NATS')}[Unit]
Description=NATS of Weir ${machine.name}
Wants=network-online.target
After=network-online.target weir-firewall.service
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/sbin/nats-server -c ${NATS_CONFIG_PATH}
ExecReload=/bin/kill -HUP $MAINPID
# lets clients move to other servers first
KillSignal=SIGUSR2
TimeoutStopSec=60
User=nats
Group=nats
StateDirectory=nats
Restart=always
RestartSec=1
LimitNOFILE=262144
OOMScoreAdjust=-700
CapabilityBoundingSet=
${hardening('/var/lib/nats')}
[Install]
WantedBy=multi-user.target
`,
  };
}

export function firewallUnit(machine: NamedMachine): RenderedFile {
  return {
    path: `${UNIT_FOLDER}/weir-firewall.service`,
    reaction: { verb: 'restart', unit: 'weir-firewall.service' },
    content: `${header(machine.name, 'Firewall')}[Unit]
Description=Firewall of Weir ${machine.name}
After=nftables.service
Before=network-online.target
DefaultDependencies=no
Conflicts=shutdown.target
Before=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
# one transaction: there is no moment without rules
ExecStart=/usr/sbin/nft -f ${FIREWALL_PATH}
ExecReload=/usr/sbin/nft -f ${FIREWALL_PATH}
ExecStop=/usr/sbin/nft delete table inet weir

[Install]
WantedBy=multi-user.target
`,
  };
}

/** The virtual address on lo of an edge, after the kernel was told to be silent about it (L11). */
export function addressUnit(machine: NamedMachine, group: NamedGroup): RenderedFile {
  const address = `${group.virtualAddress}/32 dev lo`;
  return {
    path: `${UNIT_FOLDER}/weir-address.service`,
    reaction: { verb: 'restart', unit: 'weir-address.service' },
    content: `${header(machine.name, 'Virtual address')}[Unit]
Description=Virtual address of Weir group ${group.name}
After=systemd-sysctl.service weir-firewall.service network-pre.target
Before=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/sbin/ip address replace ${address}
ExecStop=/sbin/ip address delete ${address}

[Install]
WantedBy=multi-user.target
`,
  };
}

/** keepalived from Debian, told to come back whatever happens. */
export function keepalivedDropIn(machine: NamedMachine): RenderedFile {
  return {
    path: `${UNIT_FOLDER}/keepalived.service.d/weir.conf`,
    content: `${header(machine.name, 'keepalived')}[Unit]
After=weir-firewall.service systemd-modules-load.service
StartLimitIntervalSec=0

[Service]
Restart=always
RestartSec=1
OOMScoreAdjust=-900
`,
  };
}
