/** Who this machine is, over restarts and for all its nodes. */
import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '@weir/contracts/config/schema';
import { ConfigError, errorCode, errorMessage } from '@weir/contracts/errors';

const SYSTEM_FILES = ['/etc/machine-id', '/var/lib/dbus/machine-id'];

/**
 * The configured id, else the system's, else one generated once into `machine.stateDir` (nodes that start at the same
 * moment agree on it).
 * @throws ConfigError `MACHINE_STATE_DIR` when none is there and none can be kept.
 */
export function readMachineId(machine: Pick<Config['machine'], 'id' | 'stateDir'>, systemFiles = SYSTEM_FILES): string {
  if (machine.id !== '') return machine.id;
  for (const path of systemFiles) {
    const id = readId(path);
    if (id !== undefined) return id;
  }
  const path = join(machine.stateDir, 'machine-id');
  try {
    mkdirSync(machine.stateDir, { recursive: true });
    const kept = readId(path);
    if (kept !== undefined) return kept;
    keepOnce(path, `${randomBytes(16).toString('hex')}\n`);
  } catch (error) {
    const wasFaster = errorCode(error) === 'EEXIST';
    if (!wasFaster) throw stateDirError(machine.stateDir, error);
  }
  const id = readId(path);
  if (id === undefined) throw stateDirError(machine.stateDir, `${path} holds no id`);
  return id;
}

/** An error that says that the machine's state folder cannot be used. */
export function stateDirError(stateDir: string, cause: unknown): ConfigError {
  const why = errorCode(cause) ?? errorMessage(cause);
  const message = `The folder ${stateDir} of this machine’s nodes cannot be used (${why}); make it writable or set machine.stateDir.`;
  return new ConfigError('MACHINE_STATE_DIR', message, { cause });
}

/** Writes `content` to `path` whole or not at all; `EEXIST` when another process was faster. */
function keepOnce(path: string, content: string): void {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, content);
  try {
    linkSync(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
}

/** A fresh image may hold nothing or "uninitialized". */
function readId(path: string): string | undefined {
  try {
    const id = readFileSync(path, 'utf8').trim();
    return /^[0-9a-f-]{16,64}$/i.test(id) ? id : undefined;
  } catch {
    return undefined;
  }
}
