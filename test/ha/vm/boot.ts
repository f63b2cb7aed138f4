/**
 * Boots the suite in a small virtual machine: Debian's kernel (with IPVS, which the host's may lack) by QEMU's own
 * emulation, the host's root read-only as its root. Needs no hardware support and no network.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where the guest sees the repository. */
export const REPOSITORY_IN_GUEST = '/srv';

/** How the guest ended. */
export interface GuestRun {
  /** Exit status of the suite; undefined when the guest ended without one. */
  status: number | undefined;
  /** It was ended because its time was up. */
  isTimedOut: boolean;
  /** Time that has passed in the guest, as its suite last said; less than {@link tookMs} where the host has no time for it. */
  guestMs: number;
  log: string;
  /** The end of the kernel's console. */
  console: string;
  tookMs: number;
}

const repository = fileURLToPath(new URL('../../../', import.meta.url)).replace(/\/$/, '');

/** The Node that runs this, as the guest sees it. */
export function nodeInGuest(): string {
  const node = realpathSync(process.execPath);
  const inRepository = relative(repository, node);
  return inRepository.startsWith('..') ? node : join(REPOSITORY_IN_GUEST, inRepository);
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
  /** Nanoseconds an instruction takes, as a power of two: 1 is a core of 500 million instructions a second. */
  shift?: number;
  memoryMb?: number;
}): Promise<GuestRun> {
  const { kernel, suite, out, timeoutMs, shift = 2, memoryMb = 1_536 } = options;
  plainJavaScript(join(out, 'suite'));
  const guest = fileURLToPath(new URL('./guest.sh', import.meta.url));
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
      ...['-n', '10', 'qemu-system-x86_64', '-accel', process.env.WEIR_HA_ACCEL ?? 'tcg', '-cpu', 'max', '-M', 'q35'],
      // time passes with the guest's own instructions: a busy host makes the suite slower, not its figures worse
      ...['-icount', `shift=${shift},sleep=on`, '-rtc', 'clock=vm'],
      ...['-m', String(memoryMb), '-smp', '1', '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
      ...['-kernel', join(kernel, 'vmlinuz'), '-initrd', join(kernel, 'initrd.gz')],
      '-append',
      `console=ttyS0 quiet panic=-1 mitigations=off weir.guest=${guest} weir.node=${nodeInGuest()} weir.suite=/mnt/suite/${suite}`,
      ...share('root', '/', 'hostroot', ',readonly=on,multidevs=remap'),
      ...share('out', out, 'out'),
      ...share('repo', repository, 'repo', ',readonly=on'),
      ...['-serial', `file:${join(out, 'console')}`],
    ],
    { stdio: 'ignore' },
  );
  const stop = () => child.kill('SIGKILL');
  process.once('exit', stop);
  let isTimedOut = false;
  const timer = setTimeout(() => {
    isTimedOut = true;
    stop();
  }, timeoutMs);
  await once(child, 'exit');
  clearTimeout(timer);
  process.removeListener('exit', stop);
  const read = (name: string) => (existsSync(join(out, name)) ? readFileSync(join(out, name), 'utf8') : '');
  const status = read('status').trim();
  return {
    status: status === '' ? undefined : Number(status),
    isTimedOut,
    guestMs: Number(read('alive')),
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
