/**
 * Boots the suite in a small virtual machine: Debian's kernel (with IPVS, which the host's may lack) by QEMU's own
 * emulation, the host's root read-only as its root. Needs no hardware support and no network.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** How the guest ended. */
export interface GuestRun {
  /** Exit status of the suite; undefined when the guest ended without one. */
  status: number | undefined;
  log: string;
  /** The end of the kernel's console. */
  console: string;
  tookMs: number;
}

/** Why there is no kernel to boot, or undefined when it lies in `folder` now. */
export function makeKernel(folder: string): string | undefined {
  const script = fileURLToPath(new URL('./kernel.sh', import.meta.url));
  const result = spawnSync('sh', [script, folder], { encoding: 'utf8', timeout: 180_000 });
  return result.status === 0 ? undefined : `no kernel for the virtual machine: ${result.stderr.trim()}`;
}

/**
 * Runs `suite`, a file of this folder, by Node in the guest. All files of the folder go in as plain JavaScript: taking
 * types off costs the guest's slow core seconds per process.
 * @param out folder that is /mnt in the guest; holds `log`, `status` and what the suite writes.
 */
export async function bootGuest(options: {
  kernel: string;
  suite: string;
  out: string;
  timeoutMs: number;
}): Promise<GuestRun> {
  const { kernel, suite, out, timeoutMs } = options;
  plainJavaScript(join(out, 'suite'));
  const guest = fileURLToPath(new URL('./guest.sh', import.meta.url));
  const node = realpathSync(process.execPath);
  const share = (id: string, path: string, tag: string, more = '') => [
    '-fsdev',
    `local,id=${id},path=${path},security_model=none${more}`,
    '-device',
    `virtio-9p-pci,fsdev=${id},mount_tag=${tag}`,
  ];
  const started = performance.now();
  const child: ChildProcess = spawn(
    'nice',
    [
      ...['-n', '15', 'qemu-system-x86_64', '-accel', process.env.WEIR_HA_ACCEL ?? 'tcg', '-cpu', 'max', '-M', 'q35'],
      // time passes with the guest's own instructions: a busy host makes the suite slower, not its figures worse
      ...['-icount', 'shift=2,sleep=on', '-rtc', 'clock=vm'],
      ...['-m', '1536', '-smp', '1', '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
      ...['-kernel', join(kernel, 'vmlinuz'), '-initrd', join(kernel, 'initrd.gz')],
      '-append',
      `console=ttyS0 quiet panic=-1 mitigations=off weir.guest=${guest} weir.node=${node} weir.suite=/mnt/suite/${suite}`,
      ...share('root', '/', 'hostroot', ',readonly=on,multidevs=remap'),
      ...share('out', out, 'out'),
      ...['-serial', `file:${join(out, 'console')}`],
    ],
    { stdio: 'ignore' },
  );
  const stop = () => child.kill('SIGKILL');
  process.once('exit', stop);
  const timer = setTimeout(stop, timeoutMs);
  await once(child, 'exit');
  clearTimeout(timer);
  process.removeListener('exit', stop);
  const read = (name: string) => (existsSync(join(out, name)) ? readFileSync(join(out, name), 'utf8') : '');
  const status = read('status').trim();
  return {
    status: status === '' ? undefined : Number(status),
    log: read('log'),
    console: read('console').slice(-2_000),
    tookMs: performance.now() - started,
  };
}

function plainJavaScript(folder: string): void {
  const here = fileURLToPath(new URL('.', import.meta.url));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  for (const name of readdirSync(here).filter((file) => file.endsWith('.ts'))) {
    const plain = stripTypeScriptTypes(readFileSync(join(here, name), 'utf8'));
    writeFileSync(join(folder, name.replace(/ts$/, 'js')), plain.replaceAll(/(from '\.\/[\w-]+)\.ts'/g, "$1.js'"));
  }
}
