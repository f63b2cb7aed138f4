/** The machines of the media suite and how they come up: NATS, two origins, three real edges, two directors with agents. */
import { Clients, GuestMachine, makeLink } from './machines.ts';
import type { Results } from './results.ts';
import { hasVip, seconds, servers, startKeepalived, until, VIP } from './site.ts';

export const STREAM_URL = `rtmp://${VIP}/live/ha`;
/** Weir and the clients as run-suite.ts has put them together. */
const PROGRAMS = '/mnt/weir/services/cli/src';
const NATS = 'nats://10.9.0.41:4222';
const SECRETS = '/mnt/rendered/secrets.env';
const START_MS = 120_000;
/** Looking costs the guest's core more than what is looked at: seldom, where no time is taken. */
const SELDOM_MS = 500;

/** A viewer as media-client.ts tells it. */
export interface ViewerLook {
  bytes: number;
  cuts: number;
  backwards: number;
  lastFailure: string;
  localPort: number;
  maxGapMs: number;
}

/** The site under test. */
export interface MediaSite {
  results: Results;
  directors: readonly GuestMachine[];
  edges: readonly GuestMachine[];
  origins: readonly GuestMachine[];
  nats: GuestMachine;
  client: GuestMachine;
  attacker: GuestMachine;
  viewers: Clients;
}

/** Lays everything out and starts it, one node after the other: the guest has one slow core. */
export async function startSite(results: Results): Promise<MediaSite> {
  makeLink();
  const client = new GuestMachine('client', '10.9.0.1');
  const attacker = new GuestMachine('attacker', '10.9.0.2');
  const add = (name: string, address: string, mac?: string) =>
    new GuestMachine(name, address, { rendered: `/mnt/rendered/${name}`, ...(mac === undefined ? {} : { mac }) });
  const nats = add('n1', '10.9.0.41');
  const origins = [1, 2].map((at) => add(`o${at}`, `10.9.0.3${at}`));
  const edges = [1, 2, 3].map((at) => add(`e${at}`, `10.9.0.2${at}`));
  const directors = [1, 2].map((at) => add(`d${at}`, `10.9.0.1${at}`, `52:54:00:09:00:1${at}`));
  const machines = [nats, ...origins, ...edges, ...directors];
  for (const machine of machines) machine.layOut();
  for (const machine of machines) machine.boot();
  nats.start('nats', nats.command('weir-nats.service'));
  nats.must(`${process.execPath} ${PROGRAMS}/telemetry-reader.js make ${NATS} ${SECRETS}`);
  const started = performance.now();
  for (const origin of origins) await startNode(origin, 'origin', 8081);
  for (const edge of edges) await startNode(edge, 'edge', 8080);
  const tookMs = performance.now() - started;
  for (const director of directors) startKeepalived(director);
  await until('a master', () => directors.some(hasVip), START_MS, SELDOM_MS);
  // busy edges say so, so weights are what they are
  const serves = (director: GuestMachine, port: number) =>
    [...servers(director, port).values()].filter((weight) => weight > 0);
  await until(
    'three edges on both directors',
    () => directors.every((director) => serves(director, 1935).length === 3 && serves(director, 80).length === 3),
    START_MS,
    SELDOM_MS,
  );
  results.add({
    check: 'two origins and three real edges serve behind two directors, all from rendered files',
    passed: directors.filter(hasVip).length === 1,
    measured: `nodes up in ${seconds(tookMs)} of the guest’s time`,
  });
  const viewers = new Clients(client, `${PROGRAMS}/media-client.js`);
  return { results, directors, edges, origins, nats, client, attacker, viewers };
}

async function startNode(machine: GuestMachine, role: 'edge' | 'origin', port: number): Promise<void> {
  machine.start(role, machine.command(`weir-${role}.service`));
  const ready = () => machine.run(`curl -fs --max-time 1 http://127.0.0.1:${port}/readyz`).output.includes('true');
  await until(`${machine.name} to be ready`, ready, START_MS, SELDOM_MS);
}

/** One figure that an agent told. */
export interface Told {
  metric: string;
  attributes: Record<string, string>;
  value: number;
}

/** What an agent told NATS of metrics whose names begin so, in the order of time. */
export function toldBy({ nats }: MediaSite, node: string, ...prefixes: string[]): Told[] {
  const line = [process.execPath, `${PROGRAMS}/telemetry-reader.js`, 'read', NATS, SECRETS, node, ...prefixes];
  const messages = JSON.parse(nats.must(line.join(' '))) as { samples: Told[] }[];
  return messages.flatMap(({ samples }) => samples);
}
