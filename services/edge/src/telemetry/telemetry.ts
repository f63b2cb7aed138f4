/**
 * A media node's telemetry: what media counts and what happens to its connections, handed to the measuring side, which
 * adds the machine and the process. Media depends on none of it: the observer returns at once.
 */
import { addressPolicy } from '@weir/contracts/addresses';
import type { Config } from '@weir/contracts/config/schema';
import type { Logger } from '@weir/contracts/logger';
import type { NatsHandle } from '@weir/contracts/nats/connect';
import type { MetricSource } from '@weir/telemetry/measurement';
import { type Measuring, startMeasuring } from '@weir/telemetry/measuring';
import type { NodeIdentity } from '@weir/telemetry/resource';
import type { MediaObserver, MediaStats } from '../stats.ts';
import { mediaEvents } from './media-events.ts';
import { mediaMetrics } from './media-metrics.ts';

/** What telemetry is handed. */
export interface TelemetryOptions {
  config: Pick<Config, 'cluster' | 'site' | 'machine' | 'node' | 'telemetry' | 'privacy'>;
  identity: NodeIdentity;
  /** Not closed by telemetry. */
  nats: NatsHandle;
  stats: MediaStats;
  /** Further sources, of other processes of the node. */
  more?: readonly MetricSource[];
  logger: Logger;
}

/** Running telemetry of one node. */
export interface Telemetry extends Measuring {
  /** To be told what happens to connections; never throws, returns at once. */
  readonly observer: MediaObserver;
}

/**
 * Starts to measure; done within some 10 ms, the SDK follows in the background.
 * @throws ConfigError `OUTBOX_IN_USE`, `OUTBOX_FILE`, `MACHINE_STATE_DIR`, `CONFIG_INVALID` (machine.cards).
 */
export async function startTelemetry({ stats, more = [], ...options }: TelemetryOptions): Promise<Telemetry> {
  const measuring = await startMeasuring({ ...options, sources: [mediaMetrics(stats), ...more] });
  return Object.assign(measuring, { observer: mediaEvents(measuring.events, addressPolicy(options.config.privacy)) });
}
