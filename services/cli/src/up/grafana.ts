/**
 * The Grafana of `weir up`: started beside the system once that is ready, never in its way. Without one on the machine it
 * says in a sentence how to get it, and everything else runs on.
 */
import { join } from 'node:path';
import type { Config } from '@weir/contracts/config/schema';
import { errorMessage } from '@weir/contracts/errors';
import { createLogger } from '@weir/contracts/logger';
import { type RunningGrafana, startGrafana } from '@weir/dashboards/grafana/start';

/** `auto`: the machine's own if there is one; `docker`: an image; `off`: none. */
export type GrafanaChoice = 'auto' | 'docker' | 'off';

/** What to start, and whom to tell. */
export interface UpGrafanaOptions {
  readonly choice: GrafanaChoice;
  readonly port: number;
  readonly dataDir: string;
  readonly clickhouse: Config['clickhouse'];
  readonly say: (sentence: string) => void;
  /** Called with its address when it answers. */
  readonly ready: (url: string) => void;
}

/** Starts it in the background; `close` ends it, also while it is still starting. */
export function startUpGrafana(options: UpGrafanaOptions): { close(): Promise<void> } {
  const { choice, say, clickhouse } = options;
  if (choice === 'off') return { close: async () => {} };
  const ending = new AbortController();
  const starting: Promise<RunningGrafana | undefined> = startGrafana({
    signal: ending.signal,
    how: choice === 'docker' ? 'docker' : 'found',
    host: '127.0.0.1',
    port: options.port,
    dataDir: join(options.dataDir, 'grafana'),
    clickhouse: {
      url: clickhouse.url,
      database: clickhouse.database,
      user: clickhouse.readUser,
      password: clickhouse.readPassword,
    },
    webhookUrl: '',
    mayInstallPlugin: true,
    anonymous: true,
    environment: process.env,
    logger: createLogger('grafana', 'warn'),
  }).then(
    (grafana) => {
      options.ready(grafana.url);
      return grafana;
    },
    (error) => {
      if (!ending.signal.aborted) say(errorMessage(error));
      return undefined;
    },
  );
  return {
    async close() {
      ending.abort();
      await (await starting)?.close();
    },
  };
}
