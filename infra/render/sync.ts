/**
 * Connections that a director passes on are told to its partner, so that they outlive it (L9): the kernel's sync daemons.
 * Both kinds run all the time on both. When keepalived starts and stops them as it changes places (`lvs_sync_daemon`), a
 * director that is master for a moment only stops a daemon that has not run yet, never hears of it and hangs with the
 * virtual address on its card (keepalived 2.2.7).
 */
import type { NamedGroup, NamedMachine } from './plan.ts';
import { header, type RenderedFile } from './rendered.ts';

/** Unit that starts them. */
export const SYNC_UNIT = 'weir-sync.service';

export function syncUnit(machine: NamedMachine, group: NamedGroup, card: string): RenderedFile {
  const daemon = '/usr/sbin/ipvsadm';
  const start = (kind: string) =>
    `${daemon} --start-daemon ${kind} --mcast-interface ${card} --syncid ${group.virtualRouterId}`;
  return {
    path: `/etc/systemd/system/${SYNC_UNIT}`,
    reaction: { verb: 'restart', unit: SYNC_UNIT },
    content: `${header(machine.name, 'Connection sync')}[Unit]
Description=Connection sync of Weir group ${group.name}
Wants=network-online.target
After=network-online.target systemd-modules-load.service
Before=keepalived.service
StartLimitIntervalSec=0

[Service]
Type=oneshot
RemainAfterExit=yes
# the master's tells, the backup's listens: whoever passes connections on tells, whoever does not listens
ExecStartPre=-${daemon} --stop-daemon master
ExecStartPre=-${daemon} --stop-daemon backup
ExecStart=${start('master')}
ExecStart=${start('backup')}
ExecStop=${daemon} --stop-daemon master
ExecStop=${daemon} --stop-daemon backup
Restart=on-failure
RestartSec=1

[Install]
WantedBy=multi-user.target
`,
  };
}
