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
  const why = (await whyWithout([...NEEDED, ...more])) ?? makeKernel();
  if (why) process.stderr.write(`\n*** SKIPPED: booted directors: ${why} ***\n\n`);
  return why;
}

function makeKernel(): string | undefined {
  mkdirSync(join(KERNEL, '..'), { recursive: true });
  const script = fileURLToPath(new URL('./kernel.sh', import.meta.url));
  const result = spawnSync('sh', [script, KERNEL], { encoding: 'utf8', timeout: 180_000 });
  return result.status === 0 ? undefined : `no kernel to boot: ${result.stderr.trim()}`;
}
