/**
 * What `weir up` leaves in its data directory for the other commands: where the running system is and with which
 * passwords. Written by up, read by sql, status, nodes and migrate. Mode 0600.
 */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { PartialConfig } from '@weir/contracts/config/schema';
import { ConfigError } from '@weir/contracts/errors';

/** Data directory unless `--data` says otherwise. */
export const DATA_DIR = '.weir';

/** One node of a running system. */
export interface RunNode {
  name: string;
  role: 'edge' | 'origin';
  pid: number;
  /** RTMP address for publishers and viewers, `rtmp://host:port`. */
  rtmp: string;
  /** `http://host:port`. */
  http: string;
  ports: { rtmp: number; relay: number; http: number };
}

/** A running system. */
export interface RunState {
  /** Of the supervisor. */
  pid: number;
  /** Absolute. */
  dataDir: string;
  startedAt: string;
  readyMs: number;
  urls: Readonly<Record<string, string>>;
  pids: Readonly<Record<string, number>>;
  nodes: readonly RunNode[];
  /** How clients of the running system are configured (with passwords). */
  config: PartialConfig;
}

const FILE = 'run.json';

/** Writes the state; whole or not at all. */
export function writeRun(dataDir: string, state: RunState): void {
  const path = join(dataDir, FILE);
  writeFileSync(`${path}.new`, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** Removes the state: nothing runs here any more. */
export function removeRun(dataDir: string): void {
  rmSync(join(dataDir, FILE), { force: true });
}

/** The state of the system in `dataDir`, or undefined when none runs there (a dead one's file is not believed). */
export function readRun(dataDir: string): RunState | undefined {
  let text: string;
  try {
    text = readFileSync(join(dataDir, FILE), 'utf8');
  } catch {
    return undefined;
  }
  const state = JSON.parse(text) as RunState;
  return isAlive(state.pid) ? state : undefined;
}

/**
 * The system in `dataDir`, or, when none is named, in `.weir` of this folder or the nearest one above it.
 * @throws ConfigError `NOTHING_RUNS` when a folder is named and nothing runs there: the configuration's defaults would then
 * mean whatever listens on the usual ports, perhaps another system.
 */
export function findRun(dataDir: string | undefined, from = process.cwd()): RunState | undefined {
  if (dataDir !== undefined) {
    const state = readRun(resolve(from, dataDir));
    if (state) return state;
    throw new ConfigError('NOTHING_RUNS', `No system runs in ${dataDir}: start one with weir up --data ${dataDir}.`);
  }
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, DATA_DIR, FILE))) return readRun(join(folder, DATA_DIR));
    if (folder === dirname(folder)) return undefined;
  }
}

/** Whether a process with this id is there. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
