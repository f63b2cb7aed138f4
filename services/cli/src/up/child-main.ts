/**
 * Entry of a supervisor's child: `child-main.ts <part> <name> <configuration.json> [demo plan]`. Unlike `weir <part>` it takes
 * the configuration as the supervisor has checked it, which spares each child the loading of what checks it: 0.2 s of CPU.
 */
import { readFileSync } from 'node:fs';
import type { Config } from '@weir/contracts/config/schema';
import { errorMessage, WeirError } from '@weir/contracts/errors';
import type { DemoPlan } from '../demo/start-demo.ts';
import { PARTS, type PartName } from '../service/parts.ts';
import { runService } from '../service/run-service.ts';

const [part = '', name = '', configPath = '', demoPlan] = process.argv.slice(2);
const config = JSON.parse(readFileSync(configPath, 'utf8')) as Config;
try {
  process.exitCode = await runService({
    part: name,
    logLevel: config.log.level,
    json: false,
    start: async (logger) => {
      if (demoPlan === undefined) return PARTS[part as PartName](config, logger);
      const { startDemo } = await import('../demo/start-demo.ts');
      return startDemo(JSON.parse(demoPlan) as DemoPlan, logger);
    },
  });
} catch (error) {
  // The supervisor shows the last lines of what we say.
  const sentence = error instanceof WeirError ? `${error.message} [${error.code}]` : stack(error);
  process.stderr.write(`${sentence}\n`);
  process.exitCode = 1;
}
// A library that forgot a handle must not keep a finished part alive.
setTimeout(() => process.exit(), 1_000).unref();

function stack(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : errorMessage(error);
}
