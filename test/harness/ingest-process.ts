/**
 * The process that test/harness/ingest.ts starts: one copy of ingest with the configuration from its only argument. It
 * prints one line of JSON when it listens, and ends in good order when its standard input closes or on SIGTERM.
 */

import { loadConfig } from '@weir/contracts/config/load';
import type { PartialConfig } from '@weir/contracts/config/schema';
import { WeirError } from '@weir/contracts/errors';
import { createLogger } from '@weir/contracts/logger';
import { type Ingest, startIngest } from '@weir/ingest/main';

const values = JSON.parse(process.argv[2] ?? '{}') as PartialConfig;
const config = loadConfig({ values });
const logger = createLogger('ingest', config.log.level);

try {
  const ingest = await startIngest({ config, logger });
  const stop = () => void end(ingest);
  process.once('SIGTERM', stop);
  process.stdin.once('end', stop).resume();
  process.stdout.write(`${JSON.stringify({ url: ingest.url, port: ingest.port, name: ingest.name })}\n`);
} catch (error) {
  if (!(error instanceof WeirError)) throw error;
  process.stdout.write(`${JSON.stringify({ code: error.code, message: error.message })}\n`);
  process.exitCode = 1;
}

async function end(ingest: Ingest): Promise<void> {
  await ingest.close();
  process.exit(0);
}
