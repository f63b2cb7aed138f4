/**
 * `npm test [-- files or options of node --test]`: makes sure that the outside programs are there, then runs node's test
 * runner over all tests. Before it: the bootstrap; after it: node's summary and its exit status.
 */
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensure } from '../src/ensure/ensure.ts';
import { report } from '../src/program.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
/** The long ones first: the others fill the second core beside them. */
const ALL_TESTS = ['test/**/*.test.ts', 'services/**/*.test.ts', 'infra/**/*.test.ts', 'dashboards/**/*.test.ts'];
/** No file takes that long unless it hangs; tests have closer bounds of their own. */
const TEST_TIMEOUT_MS = 900_000;
/** A file that does not end (something was left open) must not hold a build for ever: then the run ends and is red. */
const RUN_TIMEOUT_MS = 18 * 60_000;
const TOOLS_DIR = join(ROOT, 'node_modules', '.cache', 'weir', 'tools');

try {
  process.exitCode = await test(process.argv.slice(2));
} catch (error) {
  process.exitCode = report(error);
}

async function test(args: readonly string[]): Promise<number> {
  const programs: string[] = [];
  for (const tool of ['nats-server', 'ffmpeg'] as const) {
    programs.push(await ensure(tool, { toolsDir: TOOLS_DIR, say: (sentence) => console.error(`weir: ${sentence}`) }));
  }
  const files = args.some((arg) => !arg.startsWith('-')) ? [] : ALL_TESTS;
  const options = [
    '--disable-warning=ExperimentalWarning',
    '--test',
    '--test-reporter=spec',
    `--test-timeout=${TEST_TIMEOUT_MS}`,
    // Tests start servers of their own, and half of their time wait for leases and restarts: one more than cores.
    `--test-concurrency=${Math.min(4, availableParallelism() + 1)}`,
  ];
  const path = [...new Set(programs.map((program) => dirname(program))), process.env.PATH ?? ''].join(delimiter);
  const child = spawn(process.execPath, [...options, ...args, ...files], {
    cwd: ROOT,
    env: { ...process.env, PATH: path },
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: RUN_TIMEOUT_MS,
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (status) => resolve(status ?? 1));
  });
}
