/**
 * NATS, origins and edges of the rendered test topology as namespaces of the host, each behind its rendered firewall and
 * started by the command of its rendered unit; or stand-ins for edges, where only directors are looked at. Directors are
 * somebody else's: part-edges.ts does without, directed-site.ts boots them.
 */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadTopology } from '@weir/contracts/topology/load';
import type { Topology } from '@weir/contracts/topology/schema';
import { renderFolder } from '@weir/infra/render/folder';
import { writeSecrets } from '@weir/infra/render/secrets';
import { writeFolder } from '@weir/infra/render/write';
import { waitFor } from '@weir/test/harness/wait';
import { fillSecrets } from './fill-secrets.ts';
import { end, type Namespace, Namespaces } from './namespace.ts';

export const VIP = '10.9.0.100';
/** The repository, which is what `software.path` is. */
export const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url)).replace(/\/$/, '');
/** A clip with video of 25 frames a second and audio. */
export const CLIP = join(REPOSITORY, 'services/cli/assets/demo.flv');

const READY_MS = 90_000;
const STAND_IN = fileURLToPath(new URL('./stand-in-edge.ts', import.meta.url));

/** The running nodes. */
export class Cluster {
  readonly namespaces = new Namespaces();
  /** Holds `rendered` and the logs; gone after {@link close}. */
  readonly out = mkdtempSync(join(tmpdir(), 'weir-ha-'));
  readonly topology: Topology;
  readonly #machines = new Map<string, Namespace>();
  readonly #running = new Map<string, ChildProcess>();
  readonly #remove = () => rmSync(this.out, { recursive: true, force: true });

  /** Renders the topology and sets machines up that are named by their roles: `n1`, `o1`, `e1`. */
  constructor(names: readonly string[], change: (topology: Topology) => void = () => undefined) {
    const { topology } = loadTopology(fileURLToPath(new URL('../topology.yaml', import.meta.url)));
    topology.software.path = REPOSITORY;
    change(topology);
    this.topology = topology;
    process.once('exit', this.#remove);
    this.render();
    writeSecrets(topology, this.secretsPath);
    for (const name of names) this.#setUp(name);
  }

  /** Renders the topology, for the first time or after it was changed. */
  render(): void {
    writeFolder(join(this.out, 'rendered'), renderFolder(this.topology));
  }

  get secretsPath(): string {
    return join(this.out, 'secrets.env');
  }

  /** The cluster's secrets, a NAME=value a line. */
  secrets(): string {
    return readFileSync(this.secretsPath, 'utf8');
  }

  /** Path of a rendered file of a machine. */
  rendered(name: string, path: string): string {
    return join(this.out, 'rendered', name, 'files', path);
  }

  /** Where output goes of what is known by this name. */
  logPath(name: string): string {
    return join(this.out, `${name}.log`);
  }

  machine(name: string): Namespace {
    const machine = this.#machines.get(name);
    if (!machine) throw new Error(`there is no machine ${name}`);
    return machine;
  }

  addressOf(name: string): string {
    return this.topology.machines[name]?.address ?? '';
  }

  #setUp(name: string): void {
    const machine = this.namespaces.add(name, `${this.addressOf(name)}/24`);
    this.#machines.set(name, machine);
    for (const file of ['edge.yaml', 'origin.yaml', 'nats-server.conf']) {
      fillSecrets(this.rendered(name, `etc/weir/${file}`), this.secretsPath);
    }
    machine.must(`nft -f ${this.rendered(name, 'etc/weir/firewall.nft')}`);
    for (const folder of ['weir', 'nats']) mkdirSync(join(this.out, name, folder), { recursive: true });
    if (!name.startsWith('e')) return;
    machine.must(`sysctl -q -e -p ${this.rendered(name, 'etc/sysctl.d/60-weir.conf')}`);
    machine.must(this.#command(name, 'weir-address.service'));
  }

  #command(name: string, unit: string): string {
    const text = readFileSync(this.rendered(name, `etc/systemd/system/${unit}`), 'utf8');
    return /^ExecStart=(.+)$/m.exec(text)?.[1] ?? '';
  }

  /** Starts a machine's node, or its NATS server, for the first time or again. */
  start(name: string): void {
    const role = name.startsWith('e') ? 'edge' : name.startsWith('o') ? 'origin' : 'nats';
    const mounts = [
      `${this.rendered(name, 'etc/weir')}:/etc/weir`,
      `${join(this.out, name, 'weir')}:/var/lib/weir`,
      `${join(this.out, name, 'nats')}:/var/lib/nats`,
    ];
    const command = this.#command(name, `weir-${role}.service`);
    this.#running.set(name, this.machine(name).start(command, { mounts, log: this.logPath(name) }));
  }

  /** Starts what stands in for an edge: it says its name, echoes, and answers directors. */
  startStandIn(name: string): void {
    const { rtmpHidden, node, relay } = this.topology.ports;
    const command = `${process.execPath} ${STAND_IN} ${name} ${rtmpHidden} ${node} ${relay}`;
    this.#running.set(name, this.machine(name).start(command, { log: this.logPath(name) }));
  }

  /** Waits until a node says that it is ready. */
  async ready(name: string): Promise<void> {
    const { originNode, node } = this.topology.ports;
    const question = `curl -fsS http://127.0.0.1:${name.startsWith('o') ? originNode : node}/readyz`;
    const isReady = () => this.machine(name).must(question).includes('true');
    await waitFor(`${name} to be ready`, isReady, { timeoutMs: READY_MS, everyMs: 300 }).catch((error: unknown) => {
      throw new Error(`${name}: ${readFileSync(this.logPath(name), 'utf8').slice(-1_000)}`, { cause: error });
    });
  }

  /** Ends a machine's processes as a crash would. */
  async kill(name: string): Promise<void> {
    const child = this.#running.get(name);
    if (child) await end(child, 'SIGKILL');
  }

  async close(): Promise<void> {
    await this.namespaces.close();
    this.#remove();
    process.removeListener('exit', this.#remove);
  }
}
