/**
 * Outside programs that tests of rendered files need (checkers, daemons, QEMU): found on the PATH, else installed from
 * Debian where we are root. Where that is impossible a test says so loudly and is skipped.
 */
import { aptInstall } from '@weir/cli/ensure/apt';
import { findProgram, thisMachine } from '@weir/cli/ensure/ensure';
import type { Tool } from '@weir/cli/ensure/tools';
import { errorMessage } from '@weir/contracts/errors';

/** Programs by name with the Debian package that holds each. */
export const DEBIAN_PROGRAMS = {
  keepalived: 'keepalived',
  ipvsadm: 'ipvsadm',
  nft: 'nftables',
  pdnsutil: 'pdns-server',
  pdns_server: 'pdns-server',
  'nats-server': 'nats-server',
  dig: 'bind9-dnsutils',
  'systemd-analyze': 'systemd',
  shellcheck: 'shellcheck',
  openssl: 'openssl',
  'qemu-system-x86_64': 'qemu-system-x86',
  busybox: 'busybox-static',
  depmod: 'kmod',
  cpio: 'cpio',
  curl: 'curl',
  'ansible-playbook': 'ansible-core',
  rtmpdump: 'rtmpdump',
  'gst-launch-1.0': 'gstreamer1.0-tools',
  nginx: 'nginx-light',
  mpv: 'mpv',
  vlc: 'vlc-bin',
} as const;

export type DebianProgram = keyof typeof DEBIAN_PROGRAMS;

/** Further packages without a program of their own. */
const COMPANIONS: Partial<Record<DebianProgram, readonly string[]>> = {
  pdns_server: ['pdns-backend-bind'],
  'gst-launch-1.0': ['gstreamer1.0-plugins-base', 'gstreamer1.0-plugins-good', 'gstreamer1.0-plugins-bad'],
  nginx: ['libnginx-mod-rtmp'],
  vlc: ['vlc-plugin-base'],
};

/** Why these programs can't be had, as the reason of a skip; undefined when all are there. */
export async function whyWithout(programs: readonly DebianProgram[]): Promise<string | undefined> {
  const machine = thisMachine();
  if (process.platform !== 'linux') return skip(`this needs Linux, not ${process.platform}`);
  if (!machine.isRoot) return skip('this needs root (network namespaces, mounts)');
  const apt = findProgram('apt-get', machine.searchPath);
  for (const program of programs) {
    if (findProgram(program, machine.searchPath)) continue;
    if (apt === undefined) return skip(`${program} is missing and there is no apt-get`);
    try {
      for (const debianPackage of [...(COMPANIONS[program] ?? []), DEBIAN_PROGRAMS[program]]) {
        await aptInstall(apt, asTool(program, debianPackage), (line) => process.stderr.write(`${line}\n`));
      }
    } catch (error) {
      return skip(`${program} is missing and could not be installed: ${errorMessage(error)}`);
    }
  }
  return undefined;
}

function asTool(program: string, debianPackage: string): Tool {
  return {
    program,
    debianPackage,
    versionArguments: [],
    versionPattern: /$^/,
    leastVersion: '0',
    isStatic: false,
    howToGet: `install ${debianPackage}`,
  };
}

function skip(reason: string): string {
  process.stderr.write(`\n*** SKIPPED: ${reason} ***\n\n`);
  return reason;
}
