/**
 * The measuring side of a process: sources → instruments → outbox → JetStream. Nothing waits for it: NATS may be away,
 * and the heavy part (the OpenTelemetry SDK) is loaded in the background. Before it: a node that hands in its sources and
 * events; after it: ingest. The machine's own figures are measured by whichever process of the machine is elected.
 */
import { join } from 'node:path';
import type { Config } from '@weir/contracts/config/schema';
import type { Logger } from '@weir/contracts/logger';
import type { NatsHandle } from '@weir/contracts/nats/connect';
import { partitionOf, TELEMETRY_MAX_PAYLOAD_BYTES, telemetrySubject } from '@weir/contracts/nats/names';
import { createEventQueue, type EventQueue } from './event-queue.ts';
import { countedCards, parseConfiguredCards } from './host/cards.ts';
import { clockOffset } from './host/clock-offset.ts';
import { startHostReporter } from './host/host-reporter.ts';
import { readInventory } from './host/inventory.ts';
import { linuxHostReader } from './host/linux.ts';
import { readMachineId } from './host/machine-id.ts';
import { portableHostReader } from './host/portable.ts';
import type { MetricSource } from './measurement.ts';
import { openOutbox } from './outbox.ts';
import { outboxMetrics } from './outbox-metrics.ts';
import { processMetrics } from './process-metrics.ts';
import { startPublisher } from './publisher.ts';
import { type NodeIdentity, resourceAttributes } from './resource.ts';
import type { Sdk } from './sdk.ts';

/** What {@link startMeasuring} is handed. */
export interface MeasuringOptions {
  config: Pick<Config, 'cluster' | 'site' | 'machine' | 'node' | 'telemetry'>;
  identity: NodeIdentity;
  /** Not closed here. */
  nats: NatsHandle;
  /** What this process measures besides the machine and itself. */
  sources: readonly MetricSource[];
  logger: Logger;
}

/** Running telemetry of one node. */
export interface Measuring {
  /** Takes what happens; never throws, returns at once. */
  readonly events: EventQueue;
  readonly machineId: string;
  /** Resolves when the SDK runs and the next line of the grid gives the first sample; rejects when it cannot. */
  readonly ready: Promise<void>;
  /** True while this node reports the machine's figures. */
  readonly isHostReporter: boolean;
  /** Takes a sample off the grid; it and all events so far are in the outbox afterwards. */
  flush(): Promise<void>;
  /** Resolves when NATS has everything in the outbox, or after `timeoutMs`. */
  published(timeoutMs: number): Promise<void>;
  /** Takes the last sample, writes all to the outbox and gives NATS, if it is there, 2 s to take it. */
  close(): Promise<void>;
}

const PUBLISH_ON_CLOSE_MS = 2_000;

/**
 * Starts to measure; done within some 10 ms, the SDK follows in the background.
 * @throws ConfigError `OUTBOX_IN_USE`, `OUTBOX_FILE`, `MACHINE_STATE_DIR`, `CONFIG_INVALID` (machine.cards).
 */
export async function startMeasuring(options: MeasuringOptions): Promise<Measuring> {
  const { config, identity, nats, logger } = options;
  const configuredCards = parseConfiguredCards(config.machine.cards);
  const machineId = readMachineId(config.machine);
  const reader = process.platform === 'linux' ? linuxHostReader() : portableHostReader();
  const inventory = readInventory(countedCards(await reader.describeCards(), configuredCards));
  const { intervalMs, outboxMaxBytes, outboxMaxAgeMs, partitions } = config.telemetry;
  const outbox = openOutbox({
    path: join(config.node.dataDir, 'outbox.db'),
    maxBytes: outboxMaxBytes,
    maxAgeMs: outboxMaxAgeMs,
    logger,
  });
  const clock = clockOffset(nats, () => host.isReporter, logger);
  const host = await startHostReporter({
    reader,
    stateDir: config.machine.stateDir,
    cluster: config.cluster,
    configuredCards,
    intervalMs,
    takeClockOffset: () => clock.take(),
    logger,
  }).catch((error: unknown) => {
    outbox.close();
    throw error;
  });
  const partition = partitionOf(identity.node, partitions);
  const publisher = startPublisher({
    nats,
    outbox,
    subject: (signal) => telemetrySubject(partition, signal, identity.node),
    onAcknowledged: (acknowledged) => clock.onAcknowledged(acknowledged),
    logger,
  });
  const events = createEventQueue(logger);
  const ownProcess = processMetrics();
  const compaction = { sample: () => outbox.compact() };
  const sources = [host, ownProcess, ...options.sources, outboxMetrics(outbox, () => events.dropped), compaction];

  const sdk: Promise<Sdk> = import('./sdk.ts').then(({ startSdk }) =>
    startSdk({
      resource: resourceAttributes(config, identity, machineId, inventory),
      intervalMs,
      maxPayloadBytes: Math.min(TELEMETRY_MAX_PAYLOAD_BYTES, outboxMaxBytes / 2),
      sources,
      events,
      outbox,
      logger,
    }),
  );
  const ready = sdk.then(() => {});
  ready.catch((error: unknown) => logger.error({ err: error }, 'nothing is measured: OpenTelemetry did not start'));

  const close = async () => {
    const running = await sdk.catch(() => undefined);
    await running?.close();
    host.close();
    ownProcess.close();
    if (nats.state === 'connected') await publisher.published(PUBLISH_ON_CLOSE_MS);
    await publisher.close();
    outbox.close();
  };
  let closing: Promise<void> | undefined;
  return {
    events,
    machineId,
    ready,
    get isHostReporter() {
      return host.isReporter;
    },
    flush: async () => (await sdk).flush(),
    published: (timeoutMs) => publisher.published(timeoutMs),
    close: () => (closing ??= close()),
  };
}
