/**
 * A site behind two booted directors (vm/director.ts), all from one rendered folder: nodes are namespaces (cluster.ts), so
 * are the client and the attacker on the same link. part-lvs.ts looks at directors with stand-ins behind them,
 * balanced-site.ts puts real nodes and media there.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Topology } from '@weir/contracts/topology/schema';
import { waitFor } from '@weir/test/harness/wait';
import { bundle } from '../vm/bundle.ts';
import { DirectorMachine, keepalivedLog } from '../vm/director.ts';
import { KERNEL } from '../vm/kernel.ts';
import { Cluster, REPOSITORY, VIP } from './cluster.ts';
import type { Namespace, Plug } from './namespace.ts';
import { isOpen } from './ways.ts';

export const EDGES = ['e1', 'e2', 'e3'];

export const DIRECTORS = ['d1', 'd2'];
const SETTLE_MS = 60_000;
/** A question at the control port costs a director's emulated core some programs: 0.3 s, of a busy one seconds. */
const ASK_MS = 250;
/** What it logs is read on the host and costs it nothing: by that times are taken. */
const READ_MS = 20;
const SHOWN_LINES = 80;

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

  /** A director's machine dies: ms until its partner says that it takes over, or is seen to have done so. */
  async crash(director: DirectorMachine): Promise<number> {
    this.#directors = this.#directors.filter((one) => one !== director);
    const started = performance.now();
    const said = this.#saidAfter(this.#directors, 'Entering MASTER STATE', () => director.crash());
    const isMaster = this.master();
    const tookMs = await Promise.race([said, isMaster.then(() => performance.now() - started)]);
    await isMaster;
    return tookMs;
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
    return waitFor('one director to hold the virtual address', one, { everyMs: ASK_MS });
  }

  /** Its partner. */
  async partner(): Promise<DirectorMachine> {
    const master = await this.master();
    return this.#directors.find((director) => director !== master) as DirectorMachine;
  }

  /**
   * For rows that failed: shows what both keepaliveds said last, and tells run.ts when they found themselves run too late.
   * They go before all other programs of their machine, so it was the machine that stood still.
   */
  explain(): void {
    let stoodStillSeconds = 0;
    for (const name of this.#plugs.keys()) {
      const lines = readFileSync(keepalivedLog(this.cluster.out, name), 'utf8').split('\n');
      const shown = lines.filter((line) => !/gratuitous ARP/i.test(line)).slice(-SHOWN_LINES);
      process.stderr.write(`${name}:\n${shown.join('\n')}\n`);
      for (const line of lines) {
        const lateSeconds = Number(/timer expired (\S+) seconds ago/.exec(line)?.[1] ?? 0);
        stoodStillSeconds = Math.max(stoodStillSeconds, lateSeconds);
      }
    }
    process.send?.({ stoodStillSeconds });
  }

  /** Waits until the weight of an edge is as wanted on all directors; undefined = it is out. About how long it took, ms. */
  async weightIs(edge: string, isWanted: (weight: number | undefined) => boolean): Promise<number> {
    const started = performance.now();
    const address = this.cluster.addressOf(edge);
    const look = async () => {
      const weights = this.#directors.map(async (one) => (await one.servers(1935)).get(address)?.weight);
      return (await Promise.all(weights)).every(isWanted);
    };
    await waitFor(`the weight of ${edge}`, look, { timeoutMs: SETTLE_MS, everyMs: ASK_MS });
    return performance.now() - started;
  }

  /** Does an edge a harm: ms until every director has said that it takes it out. Their kernels have done so when it resolves. */
  async outAfter(edge: string, harm: () => unknown): Promise<number> {
    const removal = `Removing service [${this.cluster.addressOf(edge)}]:tcp:1935 `;
    const outMs = await this.#saidAfter(this.#directors, removal, harm);
    await this.weightIs(edge, (weight) => weight === undefined);
    return outMs;
  }

  /** Ms from doing something until all of these directors' keepaliveds have said a line. */
  async #saidAfter(directors: readonly DirectorMachine[], line: string, act: () => unknown): Promise<number> {
    const before = directors.map((one) => one.keepalivedSaid().length);
    const started = performance.now();
    await act();
    const said = () => directors.every((one, at) => one.keepalivedSaid().slice(before[at]).includes(line));
    await waitFor(`"${line}" of the directors`, said, { timeoutMs: SETTLE_MS, everyMs: READ_MS });
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
