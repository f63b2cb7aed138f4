/**
 * `npm run check`: everything that can be said about the code without running it: format and lint, floating promises,
 * types, layout. All checks run even when one fails; the exit status is 1 when any did.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const BIN = join(ROOT, 'node_modules', '.bin');

const CHECKS = [
  { name: 'format and lint', command: [join(BIN, 'biome'), 'ci', '.'] },
  { name: 'promises', command: [join(BIN, 'oxlint'), '--type-aware', '--quiet', '.'] },
  { name: 'types', command: [join(BIN, 'tsc'), '-p', '.'] },
  { name: 'types of the player', command: [join(BIN, 'tsc'), '-p', 'services/player'] },
  { name: 'types of its module', command: [join(BIN, 'tsc'), '-p', 'services/player/src/browser/embed'] },
  { name: 'layout', command: [process.execPath, '--test', '--test-reporter=dot', 'test/layout.test.ts'] },
  { name: 'dashboards', command: [process.execPath, 'dashboards/generate.ts', '--check'] },
] as const;

// The tools' own scripts begin with "env node": they shall find the Node that runs us.
const env = { ...process.env, PATH: `${join(process.execPath, '..')}:${process.env.PATH ?? ''}` };
const failed: string[] = [];
for (const { name, command } of CHECKS) {
  const startedAt = performance.now();
  const [program, ...args] = command;
  const { status } = spawnSync(program, args, { cwd: ROOT, env, stdio: ['ignore', 'inherit', 'inherit'] });
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'}  ${name}  (${seconds} s)`);
  if (status !== 0) failed.push(name);
}
console.log(failed.length === 0 ? 'All checks passed.' : `Failed: ${failed.join(', ')}.`);
process.exitCode = failed.length === 0 ? 0 : 1;
