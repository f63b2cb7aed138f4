/** Gets programs out of Debian packages: installed as root, or one static file unpacked without root. */
import { spawn } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type ExclusiveLock, tryExclusiveLock } from '@weir/contracts/exclusive-lock';
import type { Tool } from './tools.ts';

const LOCK_POLL_MS = 200;
const LOCK_TIMEOUT_MS = 600_000;
const APT_TIMEOUT_MS = 300_000;
const PROGRESS_MS = 5_000;
/** dpkg's own lock may be held by the system's updater. */
const APT_OPTIONS = ['-q', '-y', '-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=3'];

type Say = (sentence: string) => void;

/** Installs the tool's package with apt-get; needs root. The package lists are fetched only when it is not in them. */
export async function aptInstall(apt: string, tool: Tool, say: Say): Promise<void> {
  const lock = await aptLock(join(tmpdir(), `weir-apt-${process.getuid?.() ?? 0}.lock`), say);
  try {
    const install = [...APT_OPTIONS, '--no-install-recommends', 'install', tool.debianPackage];
    say(`installing ${tool.debianPackage} with apt-get (it is needed once) …`);
    const first = await runApt(apt, install, say);
    if (first.status === 0) return;
    say('fetching the package lists (apt-get update) …');
    const update = await runApt(apt, [...APT_OPTIONS, 'update'], say);
    const second = await runApt(apt, install, say);
    if (second.status !== 0) throw new Error(`apt-get: ${lastLine(second.output) || lastLine(update.output)}`);
  } finally {
    lock.release();
  }
}

/**
 * Unpacks the tool's program into `toolsDir` without root, with package lists of our own when the system's lack it.
 * Only for static programs: what a package depends on is not unpacked.
 */
export async function aptUnpack(apt: string, tool: Tool, toolsDir: string, say: Say): Promise<void> {
  mkdirSync(toolsDir, { recursive: true });
  const lock = await aptLock(join(toolsDir, 'apt.lock'), say);
  const work = mkdtempSync(join(tmpdir(), 'weir-apt-'));
  try {
    if (existsSync(join(toolsDir, tool.program))) return;
    say(`fetching the Debian package ${tool.debianPackage} (it is needed once) …`);
    let download = await runApt(apt, [...APT_OPTIONS, 'download', tool.debianPackage], say, work);
    if (download.status !== 0) {
      const own = ownState(work);
      say('fetching the package lists …');
      await runApt(apt, [...APT_OPTIONS, ...own, 'update'], say, work);
      download = await runApt(apt, [...APT_OPTIONS, ...own, 'download', tool.debianPackage], say, work);
    }
    const deb = readdirSync(work).find((name) => name.endsWith('.deb'));
    if (deb === undefined) throw new Error(`apt-get download: ${lastLine(download.output)}`);
    const unpack = await runApt('dpkg-deb', ['-x', deb, 'unpacked'], say, work);
    if (unpack.status !== 0) throw new Error(`dpkg-deb: ${lastLine(unpack.output)}`);
    const program = ['usr/sbin', 'usr/bin', 'sbin', 'bin']
      .map((folder) => join(work, 'unpacked', folder, tool.program))
      .find((path) => existsSync(path));
    if (program === undefined) throw new Error(`the package ${tool.debianPackage} holds no program ${tool.program}`);
    const target = join(toolsDir, tool.program);
    copyFileSync(program, `${target}.new`);
    chmodSync(`${target}.new`, 0o755);
    renameSync(`${target}.new`, target);
  } finally {
    rmSync(work, { recursive: true, force: true });
    lock.release();
  }
}

/** Options that give apt its own lists and cache, for users who may not write the system's. */
function ownState(folder: string): string[] {
  for (const path of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(folder, path), { recursive: true });
  return ['-o', `Dir::State::lists=${join(folder, 'lists')}`, '-o', `Dir::Cache=${join(folder, 'cache')}`];
}

async function aptLock(path: string, say: Say): Promise<ExclusiveLock> {
  const deadline = Date.now() + LOCK_TIMEOUT_MS;
  for (let waited = false; ; waited = true) {
    const lock = tryExclusiveLock(path);
    if (lock) return lock;
    if (Date.now() > deadline) throw new Error(`another start has been installing for ${LOCK_TIMEOUT_MS / 60_000} min`);
    if (!waited) say('another start is installing packages; waiting for it …');
    await delay(LOCK_POLL_MS);
  }
}

/** Runs a program to its end without a terminal; the output is kept for the reason of a failure. */
function runApt(
  program: string,
  args: readonly string[],
  say: Say,
  cwd?: string,
): Promise<{ status: number; output: string }> {
  return new Promise((resolve, reject) => {
    const started = Date.now();
    const child = spawn(program, args, {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
      timeout: APT_TIMEOUT_MS,
    });
    let output = '';
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString('utf8')).slice(-8_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const progress = setInterval(() => {
      say(`… ${Math.round((Date.now() - started) / 1000)} s: ${lastLine(output)}`);
    }, PROGRESS_MS);
    const end = () => clearInterval(progress);
    child.once('error', (error) => {
      end();
      reject(error);
    });
    child.once('close', (status) => {
      end();
      resolve({ status: status ?? 1, output });
    });
  });
}

function lastLine(output: string): string {
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return lines.findLast((line) => line.startsWith('E: ')) ?? lines.at(-1) ?? 'no output';
}
