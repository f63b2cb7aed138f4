/**
 * `npm run test:ha [-- namespaces|nats|edges|lvs|media]`: high availability from rendered files, in network namespaces and
 * virtual machines, within six minutes. Not part of `npm test`: it needs root and Debian packages. The machines get what
 * time is left: one that the host has no time for is told of loudly and skipped.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** One group after the other, the parts of a group two at a time. */
const GROUPS = [['namespaces', 'nats', 'edges'], ['lvs'], ['media']];
/** Real edges take an emulated core five minutes and more: only when asked for. */
const BY_DEFAULT = new Set(['namespaces', 'nats', 'edges', 'lvs']);
const AT_ONCE = 2;
const BOUND_MS = 6 * 60_000;
/** Guests end so long before, for the tables. */
const TABLES_MS = 15_000;

const boundMs = Number(process.env.WEIR_HA_TIMEOUT_MS ?? BOUND_MS);
const endsAtMs = Date.now() + boundMs;
const chosen = process.argv.slice(2);

for (const group of GROUPS) {
  const parts = group.filter((part) => (chosen.length === 0 ? BY_DEFAULT.has(part) : chosen.includes(part)));
  if (parts.length > 0 && (await run(parts)) !== 0) process.exitCode = 1;
}

async function run(parts: readonly string[]): Promise<number> {
  const files = parts.map((part) => fileURLToPath(new URL(`./part-${part}.ts`, import.meta.url)));
  const options = ['--test', '--test-reporter=spec', `--test-concurrency=${AT_ONCE}`];
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...options, ...files], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, WEIR_HA_DEADLINE_MS: String(endsAtMs - TABLES_MS) },
  });
  const timer = setTimeout(() => {
    process.stderr.write(`test:ha: not done after ${boundMs / 60_000} minutes; is the machine busy?\n`);
    child.kill('SIGTERM');
  }, endsAtMs - Date.now());
  const stop = () => child.kill('SIGTERM');
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop);
  const [status] = (await once(child, 'exit')) as [number | null];
  clearTimeout(timer);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.removeListener(signal, stop);
  return status ?? 1;
}
