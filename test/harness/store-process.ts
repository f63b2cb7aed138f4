/**
 * The process behind harness/store.ts: runs one store as a child, so that it can be killed without ending the test.
 * Takes `{ config, users }` as JSON in its argument, prints one line of JSON when it is ready or could not start.
 */
import { loadConfig } from '@weir/contracts/config/load';
import { errorCode, errorMessage } from '@weir/contracts/errors';
import { createLogger } from '@weir/contracts/logger';
import { type StoreOptions, startStore } from '@weir/store/main';

const options = JSON.parse(process.argv[2] ?? '{}') as {
  config: Partial<StoreOptions['config']>;
  users: StoreOptions['users'];
};
const { store: config } = loadConfig({ values: { store: options.config } });

try {
  const store = await startStore({ config, users: options.users, logger: createLogger('store', 'warn') });
  const end = (): void => void store.close().then(() => process.exit(0));
  process.once('SIGTERM', end);
  // The test is gone when the other end of standard input is.
  process.stdin.resume().once('end', end);
  process.stdout.write(`${JSON.stringify({ url: store.url, port: store.port })}\n`);
} catch (error) {
  process.stdout.write(`${JSON.stringify({ code: errorCode(error) ?? '', message: errorMessage(error) })}\n`);
  process.exitCode = 1;
}
