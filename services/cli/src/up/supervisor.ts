/**
 * Starts every part of the plan as a process of its own, what does not need each other at the same time, and stops them in
 * order. Before it: the plan; after it: the running system's state for the other commands.
 *
 *   nats ──▶ nodes ──▶ demo        store ──▶ migrations ─┐
 *     └──────────────────────────────────────────────────┴──▶ ingest
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Config } from '@weir/contracts/config/schema';
import { createLogger } from '@weir/contracts/logger';
import { MEDIA_FLAGS } from '@weir/edge/process-flags';
import { INGEST_FLAGS } from '@weir/ingest/process-flags';
import type { DemoPlan } from '../demo/start-demo.ts';
import type { PartName } from '../service/parts.ts';
import { Child, type ChildEvents, type ChildSpec } from './child.ts';
import { natsChild } from './nats.ts';
import type { Plan } from './plan.ts';

/** Options of {@link startSystem}. */
export interface SystemOptions {
  plan: Plan;
  dataDir: string;
  /** Path of the nats-server program; unused when the plan has none. */
  natsProgram: Promise<string>;
  /** Run the demo publisher and viewers. */
  demo: boolean;
  events: ChildEvents;
}

/** A running system. */
export interface System {
  /** Process ids by part. */
  pids(): Record<string, number>;
  /** When each part was ready, ms since the start of {@link startSystem}, by part. */
  readonly readyAtMs: Readonly<Record<string, number>>;
  /** Stops everything within {@link STOP_MS}. Safe to call more than once, also while starting. */
  stop(): Promise<void>;
}

const CHILD_MAIN = fileURLToPath(new URL('./child-main.ts', import.meta.url));
const DEMO_VIEWERS = 3;
/** What comes in from outside stops first, what keeps data last. Together less than the 5 s that Ctrl-C may take. */
const STOP_MS = { nodes: 2_000, ingest: 1_200, data: 1_200 } as const;

/** Starts all parts; `ready` settles when all of them are ready or one of them failed (then stop it). */
export function startSystem(options: SystemOptions): { system: System; ready: Promise<void> } {
  const { plan, dataDir, events } = options;
  const startedAt = performance.now();
  const readyAtMs: Record<string, number> = {};
  const nodes: Child[] = [];
  const ingest: Child[] = [];
  const data: Child[] = [];
  let stopped: Promise<void> | undefined;

  /** Runs one step and notes when it was done. */
  const step = async (name: string, work: () => Promise<void>): Promise<void> => {
    await work();
    readyAtMs[name] = Math.round(performance.now() - startedAt);
  };
  const launch = (group: Child[], spec: ChildSpec): Promise<void> => {
    if (stopped) return Promise.reject(new Error('stopped while starting'));
    const child = new Child(spec, events);
    group.push(child);
    return step(spec.name, () => child.start());
  };

  const startNats = async () => {
    if (plan.nats) await launch(data, natsChild(plan.nats, await options.natsProgram, dataDir));
  };
  const startDatabase = async () => {
    if (plan.store) await launch(data, partChild('store', 'store', plan.store, dataDir));
    await step('migrations', () => migrateDatabase(plan));
  };
  const startNodes = async () => {
    await Promise.all(plan.nodes.map((node) => launch(nodes, partChild(node.name, 'edge', node.config, dataDir))));
    if (options.demo) await launch(nodes, demoChild(plan, dataDir));
  };
  const startAll = async () => {
    const nats = startNats();
    const database = startDatabase();
    const media = nats.then(startNodes);
    const measuring = Promise.all([nats, database]).then(() =>
      launch(ingest, partChild('ingest', 'ingest', plan.everyone, dataDir)),
    );
    await Promise.all([media, measuring]);
  };

  const stopAll = async () => {
    for (const [group, deadlineMs] of [
      [nodes, STOP_MS.nodes],
      [ingest, STOP_MS.ingest],
      [data, STOP_MS.data],
    ] as const) {
      await Promise.all(group.map((child) => child.stop(deadlineMs)));
    }
  };
  const system: System = {
    pids: () => Object.fromEntries([...data, ...ingest, ...nodes].map((child) => [child.name, child.pid])),
    readyAtMs,
    stop() {
      stopped ??= stopAll();
      return stopped;
    },
  };
  return { system, ready: startAll() };
}

/** Migrations run in this process: a process of their own would cost more than they do. */
async function migrateDatabase(plan: Plan): Promise<void> {
  const { migrate } = await import('@weir/infra/clickhouse/migrate');
  const { url, user, password, database, cluster } = plan.everyone.clickhouse;
  await migrate({ url, user, password, database, cluster, logger: createLogger('migrate', 'warn') });
}

function demoChild(plan: Plan, dataDir: string): ChildSpec {
  const edges = plan.nodes.filter((node) => node.role === 'edge');
  const demo: DemoPlan = {
    publishPort: edges[0]?.ports.rtmp ?? 0,
    playPort: edges.at(-1)?.ports.rtmp ?? 0,
    viewers: DEMO_VIEWERS,
  };
  const spec = partChild('demo', 'demo', plan.everyone, dataDir);
  return { ...spec, args: [...spec.args, JSON.stringify(demo)] };
}

/** A part as a child, with its whole configuration in a file and none from the environment. */
function partChild(name: string, part: PartName | 'demo', config: Readonly<Config>, dataDir: string): ChildSpec {
  const path = join(dataDir, 'run', `${name}.json`);
  writeFileSync(path, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('WEIR_')));
  return {
    name,
    program: process.execPath,
    args: [
      ...(part === 'edge' ? MEDIA_FLAGS : part === 'ingest' ? INGEST_FLAGS : []),
      '--disable-warning=ExperimentalWarning',
      CHILD_MAIN,
      part,
      name,
      path,
    ],
    env,
    logPath: join(dataDir, 'logs', `${name}.log`),
    ready: 'ipc',
  };
}
