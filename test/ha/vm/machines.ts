/**
 * The machines of the suite inside the guest: a network namespace on one bridge and a root of its own (an overlay over the
 * guest's), into which the rendered install script installs. There is no systemd: commands are taken from the units.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const MACHINES = '/run/machines';
/** Made on the host before (run-suite.ts): compiling all of a node takes the guest's core half a minute. */
const COMPILE_CACHE = '/mnt/compile-cache';

/** Runs a shell line in the guest. @throws Error with the output when it fails. */
export function sh(line: string): string {
  const result = spawnSync('sh', ['-c', line], { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`${line}: ${result.stdout}${result.stderr}`);
  return result.stdout.trim();
}

/** The link all machines are on. */
export function makeLink(): void {
  sh('ip netns add link && ip -n link link add br0 type bridge && ip -n link link set br0 up');
}

/** One machine. */
export class GuestMachine {
  readonly name: string;
  readonly root: string;
  readonly rendered: string;
  readonly #processes = new Map<string, ChildProcess>();

  /** @param rendered the machine's rendered folder; none for clients. */
  constructor(name: string, address: string, options: { mac?: string; rendered?: string } = {}) {
    this.name = name;
    this.rendered = options.rendered ?? '';
    this.root = join(MACHINES, name, 'root');
    const mac = options.mac ? `address ${options.mac}` : '';
    sh(`ip netns add ${name} && ip -n ${name} link set lo up
      ip -n link link add v${name} type veth peer name eth0 ${mac} netns ${name}
      ip -n link link set v${name} master br0 up
      ip -n ${name} address add ${address}/24 dev eth0 && ip -n ${name} link set eth0 up`);
    if (this.rendered !== '') this.#makeRoot();
  }

  #makeRoot(): void {
    const folder = join(MACHINES, this.name);
    for (const part of ['upper', 'work', 'root']) mkdirSync(join(folder, part), { recursive: true });
    sh(`mount -t overlay overlay -o lowerdir=/,upperdir=${folder}/upper,workdir=${folder}/work ${this.root}
      for part in proc sys dev mnt srv; do mount --bind /$part ${this.root}/$part; done
      mount -t tmpfs none ${this.root}/run && mount -t tmpfs none ${this.root}/tmp`);
  }

  /** Runs a shell line inside: its network, and its root where it has one. */
  run(line: string): { status: number | null; output: string } {
    const result = spawnSync('ip', [...this.#inside(), 'sh', '-c', line], { encoding: 'utf8', timeout: 60_000 });
    return { status: result.status, output: (result.stdout + result.stderr).trim() };
  }

  /** The same, and it has to succeed. */
  must(line: string): string {
    const { status, output } = this.run(line);
    if (status !== 0) throw new Error(`${this.name}: ${line}: ${output}`);
    return output;
  }

  /** Starts a program inside; it is known by `key`, its output goes to a file of the guest's output folder. */
  start(key: string, command: readonly string[], stdin: 'ignore' | 'pipe' = 'ignore'): ChildProcess {
    const log = openSync(`/mnt/${this.name}-${key}.log`, 'a');
    const stdout = stdin === 'pipe' ? 'pipe' : log;
    const env = { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE };
    const child = spawn('ip', [...this.#inside(), ...command], { stdio: [stdin, stdout, log], env });
    this.#processes.set(key, child);
    return child;
  }

  /** Ends a program as a crash would, with the processes it started. */
  async kill9(key: string): Promise<void> {
    const child = this.#processes.get(key);
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    for (const pid of [child.pid, ...descendants(child.pid)]) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // gone already
      }
    }
    await gone;
  }

  /** Cuts the machine off silently, or connects it again. */
  link(state: 'up' | 'down'): void {
    sh(`ip -n link link set v${this.name} ${state}`);
  }

  /** Bytes its card has sent. */
  sentBytes(): number {
    return Number(this.#card('statistics/tx_bytes'));
  }

  mac(): string {
    return this.#card('address');
  }

  /** Read outside its root: /sys in there is the guest's. */
  #card(what: string): string {
    return sh(`ip netns exec ${this.name} cat /sys/class/net/eth0/${what}`);
  }

  /** Installs the rendered folder; what the script prints. */
  install(rendered = this.rendered): string {
    return this.must(`sh ${rendered}/install.sh --secrets ${rendered}/../secrets.env --no-start`);
  }

  /** Lays out the rendered files without packages, users or rights: what install.sh does is shown elsewhere. */
  layOut(): void {
    const fill = `/mnt/${this.name}.sed`;
    sh(`sed 's/\\([A-Z_]*\\)=\\(.*\\)/s|@secret:\\1@|\\2|g/' ${this.rendered}/../secrets.env >${fill}
      cp -r ${this.rendered}/files/. ${this.root}/
      sed -i -f ${fill} ${this.root}/etc/weir/*.yaml ${this.root}/etc/weir/*.conf 2>/dev/null || true
      rm ${fill}; mkdir -p ${this.root}/var/lib/weir ${this.root}/var/lib/nats`);
  }

  /** Does what systemd would at boot for kernel settings, and for those of its units that do one thing and end. */
  boot(): void {
    this.must('sysctl -q -e -p /etc/sysctl.d/60-weir.conf');
    for (const unit of this.#units()) {
      const content = this.unit(unit);
      if (content?.includes('Type=oneshot')) this.must(execStart(content));
    }
  }

  /** The unit file's text, or undefined when the package brings it. */
  unit(name: string): string | undefined {
    const path = join(this.root, 'etc/systemd/system', name);
    return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
  }

  /** The command of one of its units. */
  command(unit: string): string[] {
    return execStart(this.unit(unit) ?? '').split(' ');
  }

  #units(): string[] {
    const manifest = readFileSync(join(this.rendered, 'manifest'), 'utf8');
    return [...manifest.matchAll(/^unit (\S+)$/gm)].map((match) => match[1] ?? '');
  }

  #inside(): string[] {
    const enter = ['netns', 'exec', this.name];
    return this.rendered === '' ? enter : [...enter, 'chroot', this.root];
  }
}

function execStart(unit: string): string {
  const command = /^ExecStart=(.+)$/m.exec(unit)?.[1];
  if (command === undefined) throw new Error(`no ExecStart in ${unit}`);
  return command;
}

function descendants(pid: number): number[] {
  const children = spawnSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' })
    .stdout.split('\n')
    .filter(Boolean)
    .map(Number);
  return children.flatMap((child) => [child, ...descendants(child)]);
}

/** A process of clients in a machine, asked by lines of JSON: client.ts, or a script in the repository. */
export class Clients {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #next = 0;

  constructor(machine: GuestMachine, script = new URL('./client.js', import.meta.url).pathname) {
    this.#child = machine.start('client', [process.execPath, script], 'pipe');
    if (!this.#child.stdout) throw new Error('no output of the client');
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const { id, result, error } = JSON.parse(line) as { id: number; result?: unknown; error?: string };
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result);
      else waiting?.reject(new Error(error));
    });
  }

  /** Asks for an operation of client.ts and gives its result. */
  ask<T>(op: string, options: object = {}): Promise<T> {
    this.#next += 1;
    const id = this.#next;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve: (value) => resolve(value as T), reject });
      this.#child.stdin?.write(`${JSON.stringify({ timeoutMs: 1_500, ...options, op, id })}\n`);
    });
  }

  close(): void {
    this.#child.kill();
  }
}
