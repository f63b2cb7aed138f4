/**
 * A director as a machine of its own: Debian's kernel by QEMU's emulation (it has IPVS, the host's may not), its card in the
 * bridge of the host's namespaces. Edges, origins, NATS and clients then run on the host, at the host's speed. What was
 * rendered is installed by its install.sh; a crash is the end of QEMU.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@weir/test/harness/wait';
import type { Plug } from '../ns/namespace.ts';

const repository = fileURLToPath(new URL('../../../', import.meta.url)).replace(/\/$/, '');
const MEMORY_MB = 640;
/** To boot, or to do what it is told. */
const ANSWER_MS = 150_000;
const CONNECT_MS = 60_000;

/** One real server in a director's kernel. */
export interface Served {
  weight: number;
  active: number;
}

/** What a director is made of. */
export interface DirectorOptions {
  name: string;
  address: string;
  mac: string;
  plug: Plug;
  /** Folder with vmlinuz and initrd.gz. */
  kernel: string;
  /** Folder that is /mnt in there: `weir` (bundle.ts), `rendered` and secrets.env; logs go there too. */
  out: string;
  /** Where the topology says Weir is. */
  softwarePath: string;
}

/** A booted director. */
export class DirectorMachine {
  readonly name: string;
  readonly #options: DirectorOptions;
  readonly #qemu: ChildProcess;
  readonly #answers: ((answer: string) => void)[] = [];
  #control: Socket | undefined;

  /** Resolves when it does what it is told. */
  static async boot(options: DirectorOptions): Promise<DirectorMachine> {
    const machine = new DirectorMachine(options);
    try {
      await machine.#listen();
    } catch (error) {
      await machine.crash();
      const consolePath = join(options.out, `${options.name}.console`);
      const said = existsSync(consolePath) ? readFileSync(consolePath, 'utf8').slice(-1_000) : '';
      throw new Error(`${options.name} did not boot: ${said}`, { cause: error });
    }
    return machine;
  }

  private constructor(options: DirectorOptions) {
    const { name, plug } = options;
    this.name = name;
    this.#options = options;
    // one of an earlier life
    rmSync(this.#controlPath, { force: true });
    // a real one shares its cores with nobody
    this.#qemu = plug.start(['nice', '-n', '-5', 'qemu-system-x86_64', ...this.#machine(), ...this.#devices()]);
  }

  #machine(): string[] {
    const { name, address, kernel, out, softwarePath } = this.#options;
    const first = fileURLToPath(new URL('./director.sh', import.meta.url));
    const share = (id: string, path: string, tag: string, more = '') => [
      '-fsdev',
      `local,id=${id},path=${path},security_model=none${more}`,
      '-device',
      `virtio-9p-pci,fsdev=${id},mount_tag=${tag}`,
    ];
    const accelerator = process.env.QEMU_ACCEL ?? 'tcg';
    return [
      ...['-accel', accelerator, '-cpu', 'max', '-M', 'q35', '-m', String(MEMORY_MB), '-smp', '1'],
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
      ...['-kernel', join(kernel, 'vmlinuz'), '-initrd', join(kernel, 'initrd.gz'), '-append'],
      `console=ttyS0 quiet panic=-1 mitigations=off weir.guest=${first} weir.address=${address}/24 weir.software=${softwarePath}`,
      ...share('root', '/', 'hostroot', ',readonly=on,multidevs=remap'),
      ...share('out', out, 'out'),
      ...share('repo', repository, 'repo', ',readonly=on'),
      ...['-serial', `file:${join(out, `${name}.console`)}`],
    ];
  }

  #devices(): string[] {
    const { mac, plug } = this.#options;
    return [
      ...['-netdev', `tap,id=link,ifname=${plug.card},script=no,downscript=no`],
      ...['-device', `virtio-net-pci,netdev=link,mac=${mac},romfile=`, '-device', 'virtio-serial-pci'],
      ...['-chardev', `socket,id=control,path=${this.#controlPath},server=on,wait=off`],
      ...['-device', 'virtserialport,chardev=control,nr=1,name=control'],
    ];
  }

  get #controlPath(): string {
    return join(this.#options.out, `${this.#options.name}.sock`);
  }

  async #listen(): Promise<void> {
    await waitFor('the control port', () => existsSync(this.#controlPath), { timeoutMs: CONNECT_MS });
    const control = connect(this.#controlPath);
    this.#control = control;
    control.on('error', () => undefined);
    const ready = this.#nextAnswer();
    createInterface({ input: control }).on('line', (line) => this.#answers.shift()?.(line));
    await ready;
  }

  #nextAnswer(): Promise<string> {
    return new Promise((resolve, reject) => {
      const fail = (why: string) => {
        settle();
        reject(new Error(`${this.name} ${why}`));
      };
      const gone = () => fail('is off');
      const timer = setTimeout(() => fail(`said nothing for ${ANSWER_MS / 1_000} s`), ANSWER_MS);
      const settle = () => {
        clearTimeout(timer);
        this.#qemu.removeListener('exit', gone);
      };
      this.#qemu.once('exit', gone);
      this.#answers.push((answer) => {
        settle();
        resolve(answer);
      });
    });
  }

  /** Runs a shell line in there; one after the other. @throws Error with its output when it fails. */
  async must(line: string): Promise<string> {
    const answer = this.#nextAnswer();
    this.#control?.write(`${Buffer.from(line).toString('base64')}\n`);
    const [status, encoded = ''] = (await answer).split(' ');
    const output = Buffer.from(encoded, 'base64').toString().trim();
    if (status !== '0') throw new Error(`${this.name}: ${line}: ${output}`);
    return output;
  }

  /** Runs the rendered install script; what it said. */
  install(options = ''): Promise<string> {
    return this.must(`sh /mnt/rendered/${this.name}/install.sh --secrets /mnt/secrets.env --no-start ${options}`);
  }

  /** Installs what was rendered for it and starts what needs no Node: sysctl, firewall, weights, keepalived. */
  async setUp(): Promise<string> {
    const said = await this.install();
    await this.must('sysctl -q -e -p /etc/sysctl.d/60-weir.conf');
    await this.loadFirewall();
    await this.must(this.command('weir-sync.service'));
    await this.start('weights', this.command('weir-weights.service'));
    // there is no syslog: without the option each line would be written to the console as well
    await this.start('keepalived', 'keepalived --dont-fork --no-syslog --log-console --log-detail');
    return said;
  }

  async loadFirewall(): Promise<void> {
    await this.must(this.command('weir-firewall.service'));
  }

  /**
   * Starts a program that goes on; what it says comes into the output folder, by way of another program: a write into the
   * host's folder may take seconds, which a checker of edges must not wait for.
   */
  async start(key: string, command: string): Promise<void> {
    await this.must(`(setsid ${command} 2>&1 | cat >>/mnt/${this.name}-${key}.log) </dev/null >/dev/null 2>&1 &`);
  }

  /** What its keepalived has said so far; free of charge for it. */
  keepalivedSaid(): string {
    const path = keepalivedLog(this.#options.out, this.name);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  /** The command of one of its rendered units, or its commands in a row. */
  command(unit: string): string {
    const path = join(this.#options.out, 'rendered', this.name, 'files/etc/systemd/system', unit);
    const commands = readFileSync(path, 'utf8').matchAll(/^ExecStart=(.+)$/gm);
    return [...commands].map(([, command]) => command).join(' && ');
  }

  async hasAddress(address: string): Promise<boolean> {
    return (await this.must('ip -br address show eth0')).includes(`${address}/`);
  }

  /** Real servers of a port by their address, as its kernel knows them. */
  async servers(port: number): Promise<Map<string, Served>> {
    const served = new Map<string, Served>();
    let isWanted = false;
    for (const line of (await this.must('cat /proc/net/ip_vs')).split('\n')) {
      const service = /^TCP\s+[0-9A-F]{8}:([0-9A-F]{4})/.exec(line);
      if (service) isWanted = Number.parseInt(service[1] ?? '', 16) === port;
      const server = /-> ([0-9A-F]{8}):[0-9A-F]{4}\s+Route\s+(\d+)\s+(\d+)/.exec(line);
      if (server && isWanted) {
        served.set(dotted(server[1] ?? ''), { weight: Number(server[2]), active: Number(server[3]) });
      }
    }
    return served;
  }

  /** Packets that came back through its balancing: none, when edges answer by themselves. */
  async packetsOut(): Promise<number> {
    return Number(await this.must("ipvsadm -Ln --stats | awk '/^TCP/ { out += $5 } END { print out + 0 }'"));
  }

  /** Bytes its card has sent. */
  sentBytes(): number {
    return this.#options.plug.sentBytes();
  }

  /** Pulls its plug; resolves when it is off. Also how it ends. */
  async crash(): Promise<void> {
    this.#control?.destroy();
    if (this.#qemu.exitCode !== null || this.#qemu.signalCode !== null) return;
    const gone = once(this.#qemu, 'exit');
    this.#qemu.kill('SIGKILL');
    await gone;
  }
}

/** Where on the host a director's keepalived logs, all its lives in one. */
export function keepalivedLog(out: string, name: string): string {
  return join(out, `${name}-keepalived.log`);
}

function dotted(hex: string): string {
  return [0, 2, 4, 6].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)).join('.');
}
