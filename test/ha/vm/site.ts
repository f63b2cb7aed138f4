/** What all checks of the suite share: the machines, the clients, where results go, and how a director sees its edges. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Clients, GuestMachine } from './machines.ts';
import type { Results } from './results.ts';

export const VIP = '10.9.0.100';

/** Assertions allow this many times the figure aimed at: one slow core, shared. */
export const ALLOWANCE = 3;

/** The guest runs the files of this folder as plain JavaScript (boot.ts). */
const STUB = new URL('./stub-edge.js', import.meta.url).pathname;
const POLL_MS = 20;

/** The site under test. */
export interface Site {
  results: Results;
  directors: readonly GuestMachine[];
  edges: readonly GuestMachine[];
  client: GuestMachine;
  attacker: GuestMachine;
  origin: GuestMachine;
  clients: Clients;
}

/** Real servers with their weights as a director's kernel knows them. */
export function servers(director: GuestMachine, port = 1935): Map<string, number> {
  const table = director.run(`ipvsadm -Ln -t ${VIP}:${port}`).output;
  const rows = [...table.matchAll(/-> 10\.9\.0\.2(\d):\d+\s+Route\s+(\d+)/g)];
  return new Map(rows.map((row) => [`e${row[1]}`, Number(row[2])]));
}

export function hasVip(director: GuestMachine): boolean {
  return director.run('ip -br address show eth0').output.includes(`${VIP}/`);
}

/** The director that holds the virtual address. */
export function masterOf({ directors }: Pick<Site, 'directors'>): GuestMachine {
  const master = directors.find(hasVip);
  if (!master) throw new Error('no director holds the virtual address');
  return master;
}

/** Its partner. */
export function partnerOf(site: Pick<Site, 'directors'>): GuestMachine {
  return site.directors.find((director) => !hasVip(director)) as GuestMachine;
}

/** Whether each director knows three edges that may be given connections. */
export function knowAll(directors: readonly GuestMachine[], port = 1935): boolean {
  return directors.every((director) => {
    const weights = servers(director, port);
    return weights.size === 3 && [...weights.values()].every((weight) => weight >= 10);
  });
}

/** Waits for a condition; how long it took, in ms. */
export async function until(what: string, look: () => boolean, timeoutMs = 20_000, everyMs = POLL_MS): Promise<number> {
  const started = performance.now();
  while (!look()) {
    if (performance.now() - started > timeoutMs) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    await delay(everyMs);
  }
  return performance.now() - started;
}

export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(2)} s`;
}

export function startStub(edge: GuestMachine): void {
  edge.start('stub', [process.execPath, STUB, edge.name, '19350', '8080', '1936']);
}

export function startKeepalived(director: GuestMachine): void {
  director.start('weights', director.command('weir-weights.service'));
  director.start('keepalived', ['keepalived', '--dont-fork', '--log-console', '--log-detail']);
}
