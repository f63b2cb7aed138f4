/**
 * A machine whose first process is systemd, in namespaces of the host: what a rendered folder does to a machine is seen where
 * units really start, fail, wait and stop. Before it: booted.sh; after it: part-machines.ts.
 */
import { type ChildProcess, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@weir/test/harness/wait';
import { end, type Namespaces } from './namespace.ts';

const script = fileURLToPath(new URL('./booted.sh', import.meta.url));
const repository = fileURLToPath(new URL('../../..', import.meta.url));
/** systemd of a cold disk on busy cores. */
const BOOT_MS = 90_000;

/** What a command said. */
export interface Said {
  status: number | null;
  output: string;
}

export class Booted {
  readonly #folder: string;
  readonly #cgroup: string;
  readonly #process: ChildProcess;
  #first = '';

  /** `folder` of the host is /mnt in there; resolves when systemd has started what it starts. */
  static async boot(namespaces: Namespaces, name: string, address: string, folder: string): Promise<Booted> {
    const machine = new Booted(namespaces, name, address, folder);
    await waitFor('systemd', () => machine.#isUp(), { timeoutMs: BOOT_MS });
    return machine;
  }

  private constructor(namespaces: Namespaces, name: string, address: string, folder: string) {
    this.#folder = folder;
    this.#cgroup = `weir-${process.pid}-${name}`;
    const line = `sh ${script} ${folder} ${this.#cgroup} ${repository}`;
    this.#process = namespaces.add(name, address).start(line, { log: join(folder, 'boot.log') });
  }

  #isUp(): boolean {
    const { pid, exitCode } = this.#process;
    if (exitCode !== null)
      throw new Error(`systemd did not boot: ${readFileSync(join(this.#folder, 'boot.log'), 'utf8')}`);
    this.#first = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    if (this.#first === '' || existsSync(`/proc/${this.#first}/root/old/proc`)) return false;
    return /^(running|degraded)/.test(this.run('systemctl is-system-running').output);
  }

  /** Runs a shell line in there. */
  run(line: string): Said {
    const enter = ['-t', this.#first, '-m', '-u', '-i', '-n', '-p', '-C', '-r', '-w'];
    const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    const { status, stdout, stderr } = spawnSync('nsenter', [...enter, 'env', '-i', path, 'sh', '-c', line], {
      encoding: 'utf8',
    });
    return { status, output: stdout + stderr };
  }

  /** @throws Error with what it said when it fails. */
  must(line: string): string {
    const { status, output } = this.run(line);
    if (status !== 0) throw new Error(`${line}: ${output}`);
    return output.trim();
  }

  /** `active`, `activating`, `failed`, `inactive`. */
  state(unit: string): string {
    return this.run(`systemctl is-active ${unit}`).output.trim();
  }

  /** Process of a unit; another one after a restart. */
  pid(unit: string): string {
    return this.must(`systemctl show -P MainPID ${unit}`);
  }

  async close(): Promise<void> {
    await end(this.#process, 'SIGKILL');
    const cgroups = join(this.#folder, 'cgroup');
    const clean = `mount -t cgroup2 none ${cgroups} && find ${cgroups}/${this.#cgroup} -depth -type d -exec rmdir {} +`;
    // what was killed leaves its group a moment later
    await waitFor('the machine’s processes to go', () => spawnSync('unshare', ['-m', 'sh', '-c', clean]).status === 0);
    rmSync(cgroups, { recursive: true, force: true });
  }
}

/** Why no such machine can be booted here; undefined = it can. Tells it loudly. */
export function whyNotBooted(): string | undefined {
  const probe =
    'd=$(mktemp -d) && mount -t cgroup2 none $d && mkdir $d/weir-probe && rmdir $d/weir-probe && umount $d && rmdir $d';
  const reason = !existsSync('/lib/systemd/systemd')
    ? 'there is no systemd here'
    : process.getuid?.() !== 0
      ? 'this needs root'
      : spawnSync('unshare', ['-m', '--propagation', 'private', 'sh', '-c', probe]).status === 0
        ? undefined
        : 'control groups of version 2 cannot be used here';
  if (reason) process.stderr.write(`\n*** SKIPPED: a machine with systemd: ${reason} ***\n\n`);
  return reason;
}
