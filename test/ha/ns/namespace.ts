/**
 * Machines as network namespaces on the host, where no IPVS is needed: a namespace with a card on a common bridge or with
 * addresses on lo alone, its own /run, and rendered folders laid over /etc. Names carry the process id; all go at the end.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';

/** One namespace. */
export interface Namespace {
  readonly name: string;
  /** Runs a shell line inside; @throws Error with its output when it fails. */
  must(line: string): string;
  /** Starts a program inside, with `mounts` (`from:to`) laid over; stdout is piped, stderr goes to `log`. */
  start(line: string, options?: { mounts?: readonly string[]; log?: string; stdin?: 'pipe' }): ChildProcess;
  /** Plugs its card in or out of the bridge. */
  link(state: 'up' | 'down'): void;
}

/** A port of the common bridge for a machine that is no namespace. */
export interface Plug {
  /** The tap card, in the bridge's namespace. */
  readonly card: string;
  /** Starts a program beside it; nothing of it is shown. */
  start(command: readonly string[]): ChildProcess;
  /** Bytes the machine has sent. */
  sentBytes(): number;
}

/** A set of namespaces. */
export class Namespaces {
  readonly #prefix = `w${process.pid}`;
  readonly #names: string[] = [];
  readonly #children: ChildProcess[] = [];
  #bridge = '';
  readonly #onExit = () => this.#removeAll();

  constructor() {
    // a run that is ended from outside leaves nothing behind
    process.once('exit', this.#onExit);
    process.once('SIGTERM', exit);
    process.once('SIGINT', exit);
  }

  /** A namespace; with `address` (CIDR) it has a card eth0 on the common bridge. */
  add(name: string, address?: string): Namespace {
    const full = `${this.#prefix}-${name}`;
    sh(`ip netns add ${full} && ip -n ${full} link set lo up`);
    this.#names.push(full);
    const port = `v${name}`;
    if (address !== undefined) {
      const bridge = this.#theBridge();
      sh(`ip -n ${bridge} link add ${port} type veth peer name eth0 netns ${full}
        ip -n ${bridge} link set ${port} master br0 up
        ip -n ${full} address add ${address} dev eth0 && ip -n ${full} link set eth0 up`);
    }
    return {
      name,
      must: (line) => sh(line, ['ip', 'netns', 'exec', full]),
      start: (line, options = {}) => this.#start(full, line, options),
      link: (state) => void sh(`ip -n ${this.#bridge} link set ${port} ${state}`),
    };
  }

  /** A port for a machine that is no namespace. */
  plug(name: string): Plug {
    const bridge = this.#theBridge();
    const card = `t${name}`;
    sh(`ip -n ${bridge} tuntap add dev ${card} mode tap && ip -n ${bridge} link set ${card} master br0 up`);
    return {
      card,
      start: (command) => {
        const child = spawn('ip', ['netns', 'exec', bridge, ...command], { stdio: 'ignore', detached: true });
        this.#children.push(child);
        return child;
      },
      sentBytes: () => {
        const [link] = JSON.parse(sh(`ip -n ${bridge} -s -j link show ${card}`)) as {
          stats64: { rx: { bytes: number } };
        }[];
        return link?.stats64.rx.bytes ?? 0;
      },
    };
  }

  #theBridge(): string {
    if (this.#bridge === '') {
      this.#bridge = `${this.#prefix}-link`;
      sh(
        `ip netns add ${this.#bridge} && ip -n ${this.#bridge} link add br0 type bridge && ip -n ${this.#bridge} link set br0 up`,
      );
      this.#names.push(this.#bridge);
    }
    return this.#bridge;
  }

  #start(
    full: string,
    line: string,
    { mounts = [], log = '/dev/null', stdin }: { mounts?: readonly string[]; log?: string; stdin?: 'pipe' },
  ): ChildProcess {
    const prepare = [
      'mount -t tmpfs none /run',
      ...mounts.map((mount) => {
        const [from = '', to = ''] = mount.split(':');
        return `mkdir -p ${to} && mount --bind ${from} ${to}`;
      }),
    ];
    const out = openSync(log, 'a');
    const child = spawn(
      'ip',
      [
        'netns',
        'exec',
        full,
        'unshare',
        '-m',
        '--propagation',
        'private',
        'sh',
        '-c',
        `${prepare.join(' && ')} && exec ${line}`,
      ],
      {
        stdio: [stdin ?? 'ignore', 'pipe', out],
        detached: true,
      },
    );
    closeSync(out);
    this.#children.push(child);
    return child;
  }

  /** Ends everything that was started, by process group, and takes the namespaces away. */
  async close(): Promise<void> {
    for (const child of this.#children) await end(child, 'SIGKILL');
    this.#removeAll();
    process.removeListener('exit', this.#onExit);
    process.removeListener('SIGTERM', exit);
    process.removeListener('SIGINT', exit);
  }

  #removeAll(): void {
    for (const child of this.#children) {
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) killGroup(child.pid);
    }
    for (const name of this.#names.splice(0).reverse()) spawnSync('ip', ['netns', 'del', name]);
  }
}

function exit(): void {
  process.exit(1);
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // gone already
  }
}

/** Ends a started program and its children, and waits until it is gone. */
export async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  try {
    process.kill(signal === 'SIGKILL' ? -child.pid : child.pid, signal);
  } catch {
    return;
  }
  await gone;
}

function sh(line: string, inside: readonly string[] = []): string {
  const [program = 'sh', ...args] = [...inside, 'sh', '-ec', line];
  const result = spawnSync(program, args, { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`${line}: ${result.stdout}${result.stderr}`);
  return result.stdout.trim();
}
