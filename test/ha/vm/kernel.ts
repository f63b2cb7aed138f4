/** The kernel that directors boot: Debian's, made ready by kernel.sh, kept for the next run; and whether it can be had here. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type DebianProgram, whyWithout } from '@weir/test/harness/debian-tools';

/** Folder with vmlinuz and initrd.gz. */
export const KERNEL = fileURLToPath(new URL('../../../node_modules/.cache/weir-ha/kernel', import.meta.url));

const NEEDED = ['qemu-system-x86_64', 'keepalived', 'ipvsadm', 'nft', 'busybox', 'depmod', 'cpio', 'curl'] as const;

/** Why no director can be booted here, after saying so loudly; undefined when one can. */
export async function whyNoDirector(more: readonly DebianProgram[] = []): Promise<string | undefined> {
  const why = (await whyWithout([...NEEDED, ...more])) ?? withoutTap() ?? makeKernel();
  if (why) process.stderr.write(`\n*** SKIPPED: booted directors: ${why} ***\n\n`);
  return why;
}

/** Containers may lack the device or the right to it. */
function withoutTap(): string | undefined {
  const name = `weir-try-${process.pid}`;
  const line = `ip netns add ${name} && ip -n ${name} tuntap add dev try mode tap`;
  const result = spawnSync('sh', ['-c', line], { encoding: 'utf8' });
  spawnSync('ip', ['netns', 'del', name]);
  return result.status === 0 ? undefined : `no card for a machine can be made: ${result.stderr.trim()}`;
}

function makeKernel(): string | undefined {
  mkdirSync(join(KERNEL, '..'), { recursive: true });
  const script = fileURLToPath(new URL('./kernel.sh', import.meta.url));
  const result = spawnSync('sh', [script, KERNEL], { encoding: 'utf8', timeout: 180_000 });
  return result.status === 0 ? undefined : `no kernel to boot: ${result.stderr.trim()}`;
}
