/**
 * Entry of the npm scripts: `node services/cli/bootstrap/run.mjs <script> [arguments]`. Before it: a fresh clone with
 * any Node from 18 on. After it: the TypeScript program of that script, run by Node 24.
 */
import { launch } from './launch.mjs';

/** @type {Record<string, { file: string, args: string[] }>} */
const SCRIPTS = {
  weir: { file: 'services/cli/src/main.ts', args: [] },
  start: { file: 'services/cli/src/main.ts', args: ['up', '--demo'] },
  test: { file: 'services/cli/dev/test.ts', args: [] },
  'test:chaos': { file: 'test/chaos/run.ts', args: [] },
  check: { file: 'services/cli/dev/check.ts', args: [] },
  bench: { file: 'services/cli/dev/bench.ts', args: [] },
  dashboards: { file: 'dashboards/generate.ts', args: [] },
  'dashboards:preview': { file: 'test/preview/dashboards.ts', args: [] },
  'demo:week': { file: 'services/cli/src/main.ts', args: ['dashboards', 'week'] },
  'test:ha': { file: 'test/ha/run.ts', args: [] },
};

const [name = '', ...rest] = process.argv.slice(2);
const script = Object.hasOwn(SCRIPTS, name) ? SCRIPTS[name] : undefined;
if (script === undefined) {
  process.stderr.write(`weir: unknown script "${name}"; known are ${Object.keys(SCRIPTS).join(', ')}. [USAGE]\n`);
  process.exitCode = 2;
} else {
  await launch(script.file, [...script.args, ...rest]);
}
