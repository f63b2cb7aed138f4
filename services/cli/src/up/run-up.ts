/** The course of `weir up`: data directory, plan, checks, start, announcement, live table, end. */

import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '@weir/contracts/config/schema';
import { openDatabase } from '../clickhouse.ts';
import { ensure } from '../ensure/ensure.ts';
import { type RunState, removeRun, writeRun } from '../run-state.ts';
import { stopRequested } from '../service/run-service.ts';
import { type DataDir, openDataDir } from './data-dir.ts';
import { type GrafanaChoice, startUpGrafana } from './grafana.ts';
import { type LiveTable, startLiveTable } from './live-table.ts';
import { endLeftoverNats } from './nats.ts';
import { makePlan, type Plan, reachable } from './plan.ts';
import { checkPorts, createPortFinder } from './ports.ts';
import { announcement } from './report.ts';
import { type System, startSystem } from './supervisor.ts';

/** What was asked for. */
export interface UpRequest {
  base: Readonly<Config>;
  edges: number;
  origins: number;
  demo: boolean;
  /** Undefined: until told to stop. */
  forSeconds: number | undefined;
  json: boolean;
  dataDir: string;
  fresh: boolean;
  autoPorts: boolean;
  grafana: GrafanaChoice;
}

const TABLE_MS = 5_000;
const GRAFANA_PORT = 3_000;

/** Runs the system until it is to stop; resolves with the exit status when nothing of it is left. */
export async function runUp(request: UpRequest): Promise<number> {
  const data = openDataDir(request.dataDir, request.fresh);
  try {
    return await runIn(data, request);
  } finally {
    removeRun(data.path);
    data.release();
  }
}

async function runIn(data: DataDir, request: UpRequest): Promise<number> {
  const stop = stopRequested();
  await endLeftoverNats(data.path);
  const finder = createPortFinder();
  const plan = await makePlan({ ...request, data, finder });
  await checkPorts(plan.listeners);
  const natsProgram = ensure('nats-server', { toolsDir: join(data.path, 'tools'), say });
  natsProgram.catch(() => undefined); // a plan without a nats-server never asks
  let table: LiveTable | undefined;
  const { system, ready } = startSystem({
    plan,
    dataDir: data.path,
    natsProgram,
    demo: request.demo,
    events: {
      ended: (name, reason, inMs) => {
        table?.interrupted();
        say(
          `${name} ${reason}; starting it again in ${inMs / 1000} s. Its log: ${join(data.path, 'logs', `${name}.log`)}`,
        );
      },
      restarted: (name) => {
        table?.interrupted();
        writeRun(data.path, { ...state, pids: system.pids(), nodes: nodesOf(plan, system) });
        say(`${name} runs again.`);
      },
    },
  });
  const state: RunState = describe(data, plan, system);
  let grafana: { close(): Promise<void> } | undefined;
  try {
    if (!request.json) say(`starting in ${data.path} …`);
    const early = await Promise.race([ready.then(() => undefined), stop]);
    if (early !== undefined) return 0;
    Object.assign(state, describe(data, plan, system));
    writeRun(data.path, state);
    if (request.json) process.stdout.write(`${JSON.stringify(publicState(state, system))}\n`);
    else {
      process.stdout.write(`${announcement(state, timings(system), request.demo).join('\n')}\n`);
      table = startLiveTable(openDatabase(plan.everyone.clickhouse, 'reader'), process.stdout, TABLE_MS);
    }
    grafana = startUpGrafana({
      choice: request.grafana,
      port: request.autoPorts ? await finder.next('127.0.0.1') : GRAFANA_PORT,
      dataDir: data.path,
      clickhouse: plan.everyone.clickhouse,
      say: (sentence) => {
        if (!request.json) say(sentence);
      },
      ready: (url) => {
        state.urls = { ...state.urls, Grafana: url };
        writeRun(data.path, state);
        table?.interrupted();
        if (!request.json) say(`Grafana: ${url}`);
      },
    });
    const timer = new AbortController();
    const end =
      request.forSeconds === undefined ? [] : [delay(request.forSeconds * 1_000, 'time', { signal: timer.signal })];
    await Promise.race([stop, ...end]);
    timer.abort();
    return 0;
  } finally {
    table?.stop();
    if (!request.json) say('stopping …');
    await Promise.all([system.stop(), grafana?.close()]);
  }
}

function describe(data: DataDir, plan: Plan, system: System): RunState {
  const { clickhouse, nats, ingest } = plan.everyone;
  return {
    pid: process.pid,
    dataDir: data.path,
    startedAt: new Date(performance.timeOrigin).toISOString(),
    readyMs: Math.round(performance.now()),
    urls: {
      ClickHouse: clickhouse.url,
      NATS: nats.servers.join(','),
      ingest: `http://${reachable(ingest.host)}:${ingest.port}`,
    },
    pids: system.pids(),
    nodes: nodesOf(plan, system),
    config: { nats, clickhouse },
  };
}

function nodesOf(plan: Plan, system: System): RunState['nodes'] {
  const pids = system.pids();
  return plan.nodes.map(({ name, role, ports, config }) => ({
    name,
    role,
    pid: pids[name] ?? 0,
    rtmp: `rtmp://${reachable(config.rtmp.host)}:${ports.rtmp}`,
    http: `http://${reachable(config.http.host)}:${ports.http}`,
    ports,
  }));
}

/** What `--json` prints: the state without passwords, and how long each part took. */
function publicState(state: RunState, system: System): object {
  const { config: _passwords, ...open } = state;
  return { ready: true, ...open, readyAtMs: system.readyAtMs };
}

function timings(system: System): string {
  return Object.entries(system.readyAtMs)
    .map(([name, ms]) => `${name} ${(ms / 1000).toFixed(1)}`)
    .join(', ');
}

function say(sentence: string): void {
  process.stderr.write(`weir: ${sentence}\n`);
}
