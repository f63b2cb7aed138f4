/**
 * The ingest service: telemetry from JetStream into ClickHouse, exactly once, by any number of copies. The only file of
 * this service that reads configuration and builds things; `weir ingest` and `weir up` call it.
 */
import type { AddressInfo } from 'node:net';
import { addressPolicy } from '@weir/contracts/addresses';
import type { Config } from '@weir/contracts/config/schema';
import { portTaken } from '@weir/contracts/listen';
import type { Logger } from '@weir/contracts/logger';
import { connectNats } from '@weir/contracts/nats/connect';
import { ingestNode } from '@weir/contracts/nats/names';
import fastify from 'fastify';
import { type DeadManSwitch, startDeadManSwitch } from './deadman-switch.ts';
import { FaroPublisher } from './faro/publisher.ts';
import { registerFaro } from './faro/receiver.ts';
import { IngestMetrics } from './ingest-metrics.ts';
import { OtlpPublisher } from './otlp/publisher.ts';
import { registerOtlp } from './otlp/receiver.ts';
import { healthRoutes } from './routes/health.ts';
import { OwnSample, ownResource } from './self/own-sample.ts';
import { type SelfTelemetry, startSelfTelemetry } from './self/self-telemetry.ts';
import { createClickHouseWriter } from './write/clickhouse-writer.ts';
import { copyName, startWriters, type Writers } from './write/writers.ts';

/** What {@link startIngest} needs. */
export interface IngestOptions {
  config: Pick<
    Config,
    'cluster' | 'site' | 'ingest' | 'deadman' | 'faro' | 'privacy' | 'otlp' | 'nats' | 'telemetry' | 'clickhouse'
  >;
  logger: Logger;
}

/** A running copy of ingest. */
export interface Ingest {
  /** Name of this copy, unique among the copies. */
  name: string;
  /** `http://host:port` of its routes. */
  url: string;
  port: number;
  /** Hands its partitions over to other copies and stops; a batch under way has 2 s to end, else its plan stands. */
  close(): Promise<void>;
}

/**
 * Starts a copy and resolves when it listens. NATS and ClickHouse may be away: `/readyz` says so, and it catches up.
 * @throws WeirError `INGEST_PORT_TAKEN` naming port and owner; ConfigError when the NATS credentials can't be read.
 */
export async function startIngest({ config, logger }: IngestOptions): Promise<Ingest> {
  const { host, port, role } = config.ingest;
  const name = copyName(config.ingest.name);
  const nats = connectNats(config.nats, `weir-ingest ${name}`, logger);
  const clickhouse = createClickHouseWriter(config.clickhouse, config.telemetry.partitions);
  const node = ingestNode(name);
  const ownSample = config.ingest.selfTelemetry ? new OwnSample() : undefined;
  const metrics = new IngestMetrics({ readers: ownSample ? [ownSample] : [], resource: ownResource(config, node) });
  // partitions are taken only once the port is ours
  let writers: Writers | undefined;
  metrics.observe({ partitions: () => writers?.partitions() ?? [], cachedSeries: () => writers?.cachedSeries() ?? 0 });

  const app = fastify({ forceCloseConnections: true, trustProxy: config.faro.trustProxy });
  healthRoutes(app, {
    async problems() {
      const isNatsAway = nats.state !== 'connected';
      const natsProblem = isNatsAway ? `NATS does not answer at ${config.nats.servers.join(', ')}.` : undefined;
      const storeProblem = role === 'receive' ? undefined : await clickhouse.problem();
      const problems = [natsProblem, storeProblem, ...(isNatsAway ? [] : (writers?.problems() ?? []))];
      return problems.filter((problem) => problem !== undefined);
    },
    metrics: (request, response) => metrics.answer(request, response),
  });

  if (role !== 'write') {
    await registerFaro(app, {
      config: config.faro,
      addresses: addressPolicy(config.privacy),
      publisher: new FaroPublisher({ nats, copy: name, partitions: config.telemetry.partitions, logger }),
      onAnswer: (status, isDuplicate) => metrics.faroAnswered(status, isDuplicate),
    });
    await registerOtlp(app, {
      config: config.otlp,
      publisher: new OtlpPublisher({ nats, partitions: config.telemetry.partitions, logger }),
      onAnswer: (signal, status, rejected) => metrics.otlpAnswered(signal, status, rejected),
    });
  }

  let selfTelemetry: SelfTelemetry | undefined;
  let deadMan: DeadManSwitch | undefined;
  const close = async () => {
    await app.close();
    await deadMan?.close();
    await writers?.close();
    await selfTelemetry?.close();
    await Promise.all([clickhouse.close(), nats.close(), metrics.close()]);
  };
  try {
    await app.listen({ host, port });
  } catch (error) {
    await close();
    throw portTaken(error, { host, port, key: 'ingest.port', part: 'INGEST' }) ?? error;
  }
  if (role !== 'receive') writers = startWriters({ config, copy: name, nats, clickhouse, metrics, logger });
  if (ownSample) {
    const onDropped = (messages: number) => metrics.selfDropped(messages);
    selfTelemetry = startSelfTelemetry({ config: config.telemetry, node, sample: ownSample, nats, onDropped, logger });
  }
  if (role !== 'receive') {
    deadMan = startDeadManSwitch({
      config: config.deadman,
      copy: name,
      cluster: config.cluster,
      batchesWritten: () => metrics.batchesWritten,
      problems: () => writers?.problems() ?? [],
      onCall: (result) => metrics.deadManCalled(result),
      logger,
    });
  }
  const actualPort = (app.server.address() as AddressInfo).port;
  const url = `http://${host.includes(':') ? `[${host}]` : host === '0.0.0.0' ? '127.0.0.1' : host}:${actualPort}`;
  logger.info({ copy: name, url, role }, 'ingest listens');
  let closing: Promise<void> | undefined;
  return {
    name,
    url,
    port: actualPort,
    close() {
      closing ??= close();
      return closing;
    },
  };
}
