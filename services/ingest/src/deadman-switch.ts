/**
 * The dead man's switch: calls a configured URL every minute while this copy truly writes, so that silence is noticed
 * outside, when ClickHouse, Grafana or all of this is away. "Truly" is: batches went into ClickHouse since the last look,
 * and no partition of this copy is stuck. Before it: the writers; after it: somebody else's watchdog (healthchecks.io,
 * Alertmanager's Watchdog, a cron monitor), which raises the alarm when the calls stay away.
 */
import type { Config } from '@weir/contracts/config/schema';
import { errorMessage } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';

/** What {@link startDeadManSwitch} needs. */
export interface DeadManOptions {
  config: Config['deadman'];
  /** Told in the body of a POST. */
  copy: string;
  cluster: string;
  /** Batches written since the start. */
  batchesWritten: () => number;
  /** Why data don't flow, one sentence each. */
  problems: () => readonly string[];
  /** Told of every look. */
  onCall: (result: 'sent' | 'failed' | 'withheld') => void;
  logger: Logger;
}

/** A running switch. */
export interface DeadManSwitch {
  /** Ends it; a call under way is given up. */
  close(): Promise<void>;
}

/** Looks every `intervalMs`; nothing at all without a URL. */
export function startDeadManSwitch(options: DeadManOptions): DeadManSwitch {
  const { config, logger } = options;
  if (config.url === '') return { close: async () => {} };
  const stop = new AbortController();
  let seen = options.batchesWritten();
  let calling: Promise<void> | undefined;
  let isFailing = false;
  const look = () => {
    const written = options.batchesWritten();
    const batches = written - seen;
    seen = written;
    const [problem] = options.problems();
    if (batches === 0 || problem !== undefined) {
      options.onCall('withheld');
      logger.warn({ batches, problem }, 'nothing is truly written: the dead man’s switch is not called');
      return;
    }
    calling ??= call(batches).finally(() => {
      calling = undefined;
    });
  };
  const call = async (batches: number) => {
    try {
      const response = await fetch(config.url, {
        method: config.method,
        signal: AbortSignal.any([stop.signal, AbortSignal.timeout(config.timeoutMs)]),
        headers: { 'user-agent': 'weir-ingest', ...(config.method === 'POST' ? JSON_TYPE : {}) },
        ...(config.method === 'POST'
          ? { body: JSON.stringify({ cluster: options.cluster, copy: options.copy, batches }) }
          : {}),
      });
      await response.body?.cancel();
      if (!response.ok) throw new Error(`it answered ${response.status}`);
      options.onCall('sent');
      isFailing = false;
    } catch (error) {
      if (stop.signal.aborted) return;
      options.onCall('failed');
      if (!isFailing) logger.warn({ reason: errorMessage(error) }, 'the dead man’s switch could not be called');
      isFailing = true;
    }
  };
  const timer = setInterval(look, config.intervalMs).unref();
  return {
    async close() {
      clearInterval(timer);
      stop.abort();
      await calling;
    },
  };
}

const JSON_TYPE = { 'content-type': 'application/json' };
