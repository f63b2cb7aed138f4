/**
 * A site behind two booted directors (vm/director.ts), all from one rendered folder: nodes are namespaces (cluster.ts), so
 * are the client and the attacker on the same link. part-lvs.ts looks at directors with stand-ins behind them,
 * balanced-site.ts puts real nodes and media there.
 */
import { join } from 'node:path';
import type { Topology } from '@weir/contracts/topology/schema';
import { waitFor } from '@weir/test/harness/wait';
import { bundle } from '../vm/bundle.ts';
import { DirectorMachine } from '../vm/director.ts';
import { KERNEL } from '../vm/kernel.ts';
import { Cluster, REPOSITORY, VIP } from './cluster.ts';
import type { Namespace, Plug } from './namespace.ts';
import { isOpen } from './ways.ts';

export const EDGES = ['e1', 'e2', 'e3'];

const DIRECTORS = ['d1', 'd2'];
const SETTLE_MS = 60_000;
/** Answering takes a director's emulated core some tens of ms, which its keepalived has to wait for. */
const LOOK_MS = 100;

/** Nodes and directors; whoever extends it starts the nodes. */
export class DirectedSite {
  readonly cluster: Cluster;
  readonly client: Namespace;
  readonly attacker: Namespace;
  readonly #plugs = new Map<string, Plug>();
  #directors: readonly DirectorMachine[] = [];

  constructor(names: readonly string[], change?: (topology: Topology) => void) {
    this.cluster = new Cluster(names, change);
    this.client = this.cluster.namespaces.add('client', '10.9.0.1/24');
    this.attacker = this.cluster.namespaces.add('attacker', '10.9.0.2/24');
  }

  /** Boots both directors and waits until they know all edges. @returns what their install scripts said. */
  async bootDirectors(): Promise<string[]> {
    await bundle(join(this.cluster.out, 'weir'));
    for (const name of DIRECTORS) this.#plugs.set(name, this.cluster.namespaces.plug(name));
    const said = await Promise.all(DIRECTORS.map((name) => this.bootDirector(name)));
    await this.allKnown();
    return said;
  }

  /** Boots a director, for the first time or after its crash; resolves when keepalived runs. */
  async bootDirector(name: string): Promise<string> {
    const director = await DirectorMachine.boot({
      name,
      address: this.cluster.addressOf(name),
      mac: this.cluster.topology.machines[name]?.mac ?? '',
      plug: this.#plugs.get(name) as Plug,
      kernel: KERNEL,
      out: this.cluster.out,
      softwarePath: REPOSITORY,
    });
    this.#directors = [...this.#directors, director].toSorted((a, b) => a.name.localeCompare(b.name));
    return director.setUp();
  }

  /** A director's machine dies. */
  async crash(director: DirectorMachine): Promise<void> {
    this.#directors = this.#directors.filter((one) => one !== director);
    await director.crash();
  }

  /** Waits until every director gives every edge connections, on these ports, and one is master. */
  async allKnown(ports: readonly number[] = [1935, 80]): Promise<void> {
    const know = async () => {
      for (const director of this.#directors) {
        for (const port of ports) {
          const weights = [...(await director.servers(port)).values()].map(({ weight }) => weight);
          if (weights.length !== EDGES.length || weights.includes(0)) return false;
        }
      }
      return (await this.masters()).length === 1;
    };
    await waitFor('three edges on all directors', know, { timeoutMs: SETTLE_MS, everyMs: 200 });
  }

  get directors(): readonly DirectorMachine[] {
    return this.#directors;
  }

  /** Directors that hold the virtual address: one. */
  async masters(): Promise<DirectorMachine[]> {
    const holds = await Promise.all(this.#directors.map((director) => director.hasAddress(VIP)));
    return this.#directors.filter((_, at) => holds[at]);
  }

  /** The director that holds the virtual address, as soon as there is one alone. */
  async master(): Promise<DirectorMachine> {
    const one = async () => {
      const masters = await this.masters();
      return masters.length === 1 ? masters[0] : undefined;
    };
    return waitFor('one director to hold the virtual address', one, { everyMs: LOOK_MS });
  }

  /** Its partner. */
  async partner(): Promise<DirectorMachine> {
    const master = await this.master();
    return this.#directors.find((director) => director !== master) as DirectorMachine;
  }

  /** Waits until the weight of an edge is as wanted on all directors; undefined = they have taken it out. How long it took, ms. */
  async weightIs(edge: string, isWanted: (weight: number | undefined) => boolean): Promise<number> {
    const started = performance.now();
    const address = this.cluster.addressOf(edge);
    const look = async () => {
      const weights = this.#directors.map(async (one) => (await one.servers(1935)).get(address)?.weight);
      return (await Promise.all(weights)).every(isWanted);
    };
    await waitFor(`the weight of ${edge}`, look, { timeoutMs: SETTLE_MS, everyMs: LOOK_MS });
    return performance.now() - started;
  }

  /** Waits until a director holds the virtual address; how long it took, ms. */
  async takenOverBy(director: DirectorMachine): Promise<number> {
    const started = performance.now();
    await waitFor('the partner to take over', () => director.hasAddress(VIP), { everyMs: LOOK_MS });
    return performance.now() - started;
  }

  /** Whether a stranger who sends frames for the virtual address straight to an edge's card is let in. */
  attack(edge: string, port = 1935): boolean {
    const card = this.cluster.machine(edge).must('cat /sys/class/net/eth0/address');
    this.attacker.must(`ip neigh replace ${VIP} lladdr ${card} dev eth0 nud permanent`);
    const isIn = isOpen(this.attacker, VIP, port);
    this.attacker.must(`ip neigh del ${VIP} dev eth0`);
    return isIn;
  }

  async close(): Promise<void> {
    for (const director of this.#directors) await director.crash();
    await this.cluster.close();
  }
}
