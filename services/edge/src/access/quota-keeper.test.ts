/** Quotas of apps over several nodes: who is refused, who goes when there are too many, and that together it is enough. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AppShare } from '@weir/contracts/nats/records';
import { Ledger, type RolePlace } from './ledger.ts';
import { QuotaKeeper } from './quota-keeper.ts';
import { parseQuotas } from './quotas.ts';

const GRACE_MS = 5_000;

/** Nodes that hear of each other whenever `hear` is called, as by NATS; their clients are a list each. */
class Cluster {
  readonly nodes: { keeper: QuotaKeeper; ledger: Ledger; sent: Map<string, number>; out: string[] }[] = [];
  #heard = new Map<string, ReadonlyMap<string, AppShare>>();
  #nowMs = 0;

  constructor(quotas: string[], count: number) {
    for (let i = 0; i < count; i += 1) {
      const node = `edge-${i}`;
      const ledger = new Ledger({ connectionsPerIp: 0, viewersPerStream: 0 });
      const sent = new Map<string, number>();
      const keeper = new QuotaKeeper({
        node,
        quotas: parseQuotas(quotas),
        graceMs: GRACE_MS,
        ledger,
        sentBytes: () => sent,
        others: {
          sharesOf: (app) =>
            [...this.#heard].flatMap(([other, shares]) => {
              const share = shares.get(app);
              return share && other !== node ? [{ node: other, share }] : [];
            }),
        },
        onPutOut: () => {},
      });
      this.nodes.push({ keeper, ledger, sent, out: [] });
    }
  }

  at(i: number) {
    const node = this.nodes[i];
    if (!node) throw new Error(`no node ${i}`);
    return node;
  }

  /** Why it is refused, or a client that is in, without asking (as two nodes at the same moment do). */
  ask(i: number, action: 'play' | 'publish', app = 'shop'): string {
    return this.at(i).keeper.refusal({ action, app })?.refused ?? 'let in';
  }

  enter(i: number, name: string, action: 'play' | 'publish' = 'play', app = 'shop'): void {
    const { ledger, out } = this.at(i);
    const place = ledger.takeRole({ action, app, name: 'x' }) as RolePlace;
    // Places are told apart by time: none is as old as another.
    this.#nowMs += 1;
    Object.defineProperty(place, 'sinceMs', { value: this.#nowMs });
    place.withdraw = (reason) => {
      out.push(`${name} ${reason}`);
      place.release();
    };
  }

  hear(): void {
    this.#heard = new Map(this.nodes.map(({ keeper }, i) => [`edge-${i}`, keeper.shares()]));
  }

  /** Seconds pass: every viewer is sent `bytesPerViewer` a second, nodes look and hear. */
  pass(seconds: number, bytesPerViewer = 0): void {
    for (let i = 0; i < seconds; i += 1) {
      this.#nowMs += 1_000;
      for (const { keeper, ledger, sent } of this.nodes) {
        for (const app of ledger.apps()) {
          sent.set(app, (sent.get(app) ?? 0) + ledger.countsOf(app).viewers * bytesPerViewer);
        }
        keeper.look(this.#nowMs);
      }
      this.hear();
    }
  }

  get out(): string[] {
    return this.nodes.flatMap(({ out }) => out).sort();
  }

  close(): void {
    for (const { keeper } of this.nodes) keeper.close();
  }
}

describe('the quota of an app', () => {
  it('counts viewers and publishers of all nodes, and those of an app only', () => {
    const cluster = new Cluster(['shop viewers=3 publishers=1'], 2);
    cluster.enter(0, 'a');
    cluster.enter(0, 'b');
    cluster.enter(1, 'c');
    cluster.enter(1, 'p', 'publish');
    // Node 0 has not heard of the others yet.
    assert.deepEqual([cluster.ask(0, 'play'), cluster.ask(0, 'publish')], ['let in', 'let in']);
    cluster.hear();
    for (const node of [0, 1]) {
      assert.deepEqual([cluster.ask(node, 'play'), cluster.ask(node, 'publish')], ['app-limit', 'app-limit']);
      assert.equal(cluster.ask(node, 'play', 'other'), 'let in');
    }
    cluster.close();
  });

  it('puts out the newest wherever they are, no more than are too many, once the grace is over', () => {
    const cluster = new Cluster(['shop viewers=3 publishers=1'], 3);
    for (const [node, name] of [
      [0, 'old-0'],
      [1, 'old-1'],
      [2, 'old-2'],
      [0, 'new-0'],
      [1, 'new-1'],
    ] as const)
      cluster.enter(node, name);
    cluster.enter(2, 'first', 'publish');
    cluster.enter(1, 'second', 'publish');
    cluster.hear();
    cluster.pass(GRACE_MS / 1_000);
    assert.deepEqual(cluster.out, []);
    cluster.pass(2);
    assert.deepEqual(cluster.out, ['new-0 app-limit', 'new-1 app-limit', 'second app-limit']);
    cluster.pass(20);
    assert.equal(cluster.out.length, 3);
    cluster.close();
  });

  it('is kept by one node alone when it hears of no other', () => {
    const cluster = new Cluster(['* viewers=2'], 1);
    for (const name of ['a', 'b', 'c']) cluster.enter(0, name);
    assert.equal(cluster.ask(0, 'play'), 'app-limit');
    cluster.pass(10);
    assert.deepEqual(cluster.out, ['c app-limit']);
    cluster.close();
  });

  it('in bits refuses newcomers for whom there is no room, and puts out as many as bring it below', () => {
    // Room for four viewers of 1,000 bytes a second, not for five.
    const cluster = new Cluster(['shop bitsPerSecond=36000'], 2);
    for (const [i, name] of ['a', 'b', 'c'].entries()) cluster.enter(i % 2, name);
    cluster.pass(20, 1_000);
    assert.equal(cluster.ask(0, 'play'), 'let in');
    cluster.enter(0, 'd');
    cluster.pass(20, 1_000);
    assert.deepEqual([cluster.ask(0, 'play'), cluster.ask(1, 'play'), cluster.out], ['app-limit', 'app-limit', []]);
    // The streams become twice as large: half of the viewers must go, newest first.
    cluster.pass(60, 2_000);
    assert.deepEqual(cluster.out, ['c app-limit', 'd app-limit']);
    assert.equal(cluster.ask(1, 'play'), 'app-limit');
    cluster.close();
  });

  it('leaves an app alone that is over it for a moment only', () => {
    const cluster = new Cluster(['shop bitsPerSecond=36000'], 1);
    for (const name of ['a', 'b', 'c', 'd']) cluster.enter(0, name);
    for (let i = 0; i < 10; i += 1) {
      cluster.pass(8, 900);
      cluster.pass(2, 1_600);
    }
    assert.deepEqual(cluster.out, []);
    cluster.close();
  });

  it('is shared only of apps that have one, with their newest only while they are over it', () => {
    const cluster = new Cluster(['shop viewers=1'], 1);
    cluster.enter(0, 'a');
    cluster.enter(0, 'x', 'play', 'constructor');
    const { keeper } = cluster.at(0);
    assert.deepEqual([...keeper.shares()], [['shop', { viewers: 1, publishers: 0, bitsPerSecond: 0 }]]);
    assert.equal(cluster.ask(0, 'play', 'constructor'), 'let in');
    cluster.enter(0, 'b');
    cluster.pass(1);
    assert.equal(keeper.shares().get('shop')?.newestViewers?.length, 2);
    cluster.close();
  });
});
