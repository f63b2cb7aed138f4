/**
 * `npm run test:ha [-- namespaces|nats|edges|lvs]`: high availability from rendered files, in network namespaces and a virtual
 * machine, within six minutes. Not part of `npm test`: it needs root, Debian packages and a core for itself.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const PARTS = ['namespaces', 'nats', 'edges', 'lvs'];
const BOUND_MS = 6 * 60_000;

const chosen = process.argv.slice(2).filter((part) => PARTS.includes(part));
const files = (chosen.length > 0 ? chosen : PARTS).map((part) =>
  fileURLToPath(new URL(`./part-${part}.ts`, import.meta.url)),
);
const child = spawn(
  process.execPath,
  ['--disable-warning=ExperimentalWarning', '--test', '--test-reporter=spec', '--test-concurrency=1', ...files],
  { stdio: ['ignore', 'inherit', 'inherit'] },
);
const timer = setTimeout(
  () => {
    process.stderr.write(`test:ha: not done after ${BOUND_MS / 60_000} minutes; is the machine busy?\n`);
    child.kill('SIGTERM');
  },
  Number(process.env.WEIR_HA_TIMEOUT_MS ?? BOUND_MS),
);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
const [status] = (await once(child, 'exit')) as [number | null];
clearTimeout(timer);
process.exitCode = status ?? 1;
