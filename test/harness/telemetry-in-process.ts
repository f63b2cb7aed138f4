/**
 * A node's telemetry inside the test's own process, against a real nats-server: samples are taken when the test asks for
 * them. Before it: snapshots that a test makes up; after it: the messages JetStream holds. In a process of its own, to be
 * killed: telemetry-node.ts.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { loadConfig } from '@weir/contracts/config/load';
import type { Config, PartialConfig } from '@weir/contracts/config/schema';
import { createLogger } from '@weir/contracts/logger';
import { connectNats, type NatsHandle } from '@weir/contracts/nats/connect';
import { ensureTelemetryStreams } from '@weir/contracts/nats/streams';
import type { MediaSnapshot } from '@weir/edge/stats';
import { startTelemetry, type Telemetry } from '@weir/edge/telemetry/telemetry';
import { startNats, type TestNats } from './nats.ts';
import { readTelemetry, type TelemetryMessage } from './telemetry.ts';

/** So long that only samples asked for are taken. */
const NEVER_MS = 3_600_000;
const ANSWER_MS = 10_000;
const PUBLISH_MS = 30_000;

/** NATS with its streams, and a place where nodes keep their data. */
export class InProcessTelemetry {
  readonly nats: TestNats;
  /** What {@link start} has started, in that order. */
  readonly running: Telemetry[] = [];
  readonly #logger = createLogger('test', 'silent');
  readonly #dirs: string[] = [];
  #handle: NatsHandle;

  private constructor(nats: TestNats) {
    this.nats = nats;
    this.useNewDir();
    this.#handle = connectNats(this.config().nats, 'test', this.#logger);
  }

  /** Starts NATS and makes the streams. */
  static async start(): Promise<InProcessTelemetry> {
    const made = new InProcessTelemetry(await startNats());
    await ensureTelemetryStreams(await jetstreamManager(await made.#handle.ready(ANSWER_MS)), made.config());
    return made;
  }

  /** The next node keeps its data in a folder of its own. */
  useNewDir(): void {
    this.#dirs.push(mkdtempSync(join(tmpdir(), 'weir-telemetry-')));
  }

  config(telemetry: PartialConfig['telemetry'] = {}): Config {
    const dir = this.#dirs.at(-1) ?? '';
    const servers = [this.nats.url];
    const values = { nats: { servers }, node: { dataDir: dir }, machine: { stateDir: dir }, site: 'here', telemetry };
    return loadConfig({ values });
  }

  /** Starts the telemetry of `edge-1`; resolves when it measures. */
  async start(snapshot: () => MediaSnapshot, telemetry: PartialConfig['telemetry'] = {}): Promise<Telemetry> {
    const started = await startTelemetry({
      config: this.config({ intervalMs: NEVER_MS, ...telemetry }),
      identity: { node: 'edge-1', role: 'edge', addresses: { rtmp: 'h:1935', relay: 'h:1936', http: 'h:8080' } },
      nats: this.#handle,
      stats: { snapshot },
      logger: this.#logger,
    });
    this.running.push(started);
    await started.ready;
    return started;
  }

  /** All messages in JetStream once `telemetry` has nothing left to send. */
  async published(telemetry: Telemetry): Promise<TelemetryMessage[]> {
    await telemetry.published(PUBLISH_MS);
    return this.received();
  }

  /** All messages in JetStream now. */
  async received(): Promise<TelemetryMessage[]> {
    return readTelemetry(await this.#handle.ready(ANSWER_MS));
  }

  /** Stops NATS and connects anew, as a node does that starts while NATS is away. */
  async stopNatsAndConnect(): Promise<void> {
    await this.#handle.close();
    await this.nats.stop();
    this.#handle = connectNats(this.config().nats, 'late', this.#logger);
  }

  async close(): Promise<void> {
    for (const telemetry of this.running) await telemetry.close();
    await this.#handle.close();
    await this.nats.close();
    for (const dir of this.#dirs) rmSync(dir, { recursive: true, force: true });
  }
}
