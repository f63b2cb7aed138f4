/**
 * One batch: messages in, rows for every table out. A message is taken whole or not at all; one that can't be used
 * yields a reason for its dead letter. Rows depend on the messages and their order only, so that a batch built again
 * from the same messages is the same batch. Before it: consume/; after it: write/.
 */
import { errorMessage } from '@weir/contracts/errors';
import { OTLP_NODE_PREFIX, type Signal } from '@weir/contracts/nats/names';
import { walkLogs } from '@weir/contracts/otlp/logs';
import { walkMetrics } from '@weir/contracts/otlp/metrics';
import { OtlpError } from '@weir/contracts/otlp/wire';
import { TABLE, type TableName } from '@weir/contracts/tables';
import { FaroDecoder } from '../faro/decoder.ts';
import { FaroPayloadError } from '../faro/payload.ts';
import { CumulativeState } from './cumulative.ts';
import { DecodeCounts } from './decode-counts.ts';
import { LogsDecoder } from './logs-decoder.ts';
import { MetricsDecoder } from './metrics-decoder.ts';
import { Reports } from './reports.ts';
import type { ResourceCache, ResourceEntry } from './resource-cache.ts';
import { JSON_TABLES, JsonRows } from './rows.ts';
import { SampleColumns } from './sample-columns.ts';
import { TimeWindow } from './time-window.ts';

/** A telemetry message as it stands in the stream. */
export interface TelemetryMessage {
  /** Sequence in the stream. */
  readonly sequence: number;
  readonly subject: string;
  /** From the subject: who may have sent it. */
  readonly node: string;
  readonly signal: string;
  readonly payload: Uint8Array;
  /** Empty when the sender did not say. */
  readonly contentType: string;
  /** Unix ms at which JetStream stored it. */
  readonly storedAtMs: number;
  /** Identity of the sender's outbox and the number in it; undefined when it has none. */
  readonly outbox: { readonly id: string; readonly sequence: number } | undefined;
}

/** Why a message is a dead letter; `code` is for programs, `reason` one sentence for people. */
export interface Fault {
  readonly code: 'SUBJECT' | 'TOO_LARGE' | 'SIGNAL' | 'DECODE' | 'NODE_MISMATCH' | 'REFUSED' | 'INTERNAL';
  readonly reason: string;
  /** What was caught, for the log. */
  readonly cause?: unknown;
}

/** Rows of one table, ready to be sent; valid until the batch is cleared or added to. */
export interface TablePayload {
  readonly table: TableName;
  readonly format: 'Native' | 'JSONEachRow';
  readonly rows: number;
  readonly parts: readonly Uint8Array[];
}

/** A message at most; nodes keep theirs below half a mebibyte. */
const MAX_MESSAGE_BYTES = 4_194_304;
/** Bounds of a batch: it takes no further message beyond these. Its memory is about 44 bytes a sample, and the JSON. */
export interface BatchLimits {
  readonly maxSamples: number;
  readonly maxJsonBytes: number;
}

/** One insert stays one block of ClickHouse, and a batch below 5 MB. */
export const BATCH_LIMITS: BatchLimits = { maxSamples: 60_000, maxJsonBytes: 2_097_152 };

const SIGNALS: ReadonlySet<string> = new Set<Signal>(['metrics', 'logs', 'faro', 'otlp-metrics', 'otlp-logs']);

class NodeMismatch extends Error {}

/** Collects the rows of one batch; used again after {@link Batch.clear}. */
export class Batch {
  readonly counts = new DecodeCounts();
  readonly #cache: ResourceCache;
  readonly #samples = new SampleColumns();
  readonly #rows = new JsonRows();
  readonly #metrics: MetricsDecoder;
  readonly #logs: LogsDecoder;
  readonly #faro: FaroDecoder;
  readonly #reports: Reports;
  readonly #limits: BatchLimits;
  readonly #resources = new Set<ResourceEntry>();
  readonly #sums: CumulativeState;
  #node = '';
  #storedAtMs = 0;

  /**
   * @param sums what is known of cumulative series; needed when messages of others than our nodes are decoded.
   * @param reports what machines and nodes said of themselves, shared by batches that follow each other.
   */
  constructor(cache: ResourceCache, sums = new CumulativeState(), reports = new Reports(), limits = BATCH_LIMITS) {
    this.#cache = cache;
    this.#sums = sums;
    this.#reports = reports;
    this.#limits = limits;
    const target = { samples: this.#samples, rows: this.#rows, counts: this.counts };
    const onResource = (bytes: Buffer) => this.#resource(bytes);
    this.#metrics = new MetricsDecoder(target, cache, onResource);
    this.#logs = new LogsDecoder(target, onResource);
    this.#faro = new FaroDecoder({ ...target, cluster: cache.defaults.cluster });
  }

  get samples(): number {
    return this.#samples.rows;
  }

  /** How full the batch is: from 1 on no further message should be added. */
  get fill(): number {
    const { maxSamples, maxJsonBytes } = this.#limits;
    return Math.max(this.#samples.rows / maxSamples, this.#rows.bytes / maxJsonBytes);
  }

  /** Adds a message whole, or nothing of it and says why. */
  add(message: TelemetryMessage): Fault | undefined {
    if (message.payload.length > MAX_MESSAGE_BYTES) {
      const reason = `The message has ${message.payload.length} bytes; at most ${MAX_MESSAGE_BYTES} are taken.`;
      return { code: 'TOO_LARGE', reason };
    }
    if (!SIGNALS.has(message.signal)) {
      return { code: 'SIGNAL', reason: `Messages of the signal "${message.signal}" are not stored yet.` };
    }
    const samples = this.#samples.rows;
    const rows = this.#rows.mark();
    const window = new TimeWindow(message.storedAtMs);
    this.#node = message.node;
    this.#resources.clear();
    try {
      this.#checkName(message);
      if (message.signal === 'metrics' || message.signal === 'otlp-metrics') {
        this.#metrics.start(window, message.signal === 'metrics' ? undefined : this.#sums);
        walkMetrics(message.payload, this.#metrics);
      } else if (message.signal === 'faro') {
        this.#faro.decode(message);
      } else {
        this.#logs.start(window);
        walkLogs(message.payload, this.#logs);
      }
    } catch (error) {
      this.#samples.truncate(samples);
      this.#rows.truncate(rows);
      // series that were described in what was just taken back are described again
      for (const resource of this.#resources) resource.series.forgetAnnouncements();
      if (error instanceof NodeMismatch) return { code: 'NODE_MISMATCH', reason: error.message };
      if (error instanceof OtlpError || error instanceof FaroPayloadError) {
        return { code: 'DECODE', reason: error.message };
      }
      // a fault of ours must not stop the whole partition for ever
      return { code: 'INTERNAL', reason: `Decoding failed unexpectedly: ${errorMessage(error)}`, cause: error };
    }
    for (const resource of this.#resources) this.#reports.note(resource.facts, window.newestMs);
    this.#storedAtMs = message.storedAtMs;
    return undefined;
  }

  /** The tables that have rows; to be asked once per batch. */
  tables(): TablePayload[] {
    this.#reports.addDue(this.#rows, this.#storedAtMs);
    const payloads: TablePayload[] = [];
    for (const table of JSON_TABLES) {
      const { rows, bytes } = this.#rows.of(table);
      if (rows > 0) payloads.push({ table, format: 'JSONEachRow', rows, parts: [bytes] });
    }
    if (this.#samples.rows > 0) {
      payloads.push({
        table: TABLE.metricSamples,
        format: 'Native',
        rows: this.#samples.rows,
        parts: this.#samples.toNative(),
      });
    }
    return payloads;
  }

  /** Empties the batch. */
  clear(): void {
    this.#samples.clear();
    this.#rows.clear();
    this.#resources.clear();
    this.counts.clear();
  }

  /** Names of OTLP senders are theirs alone, so that none of them can speak for a node and no node for them. */
  #checkName({ node, signal }: TelemetryMessage): void {
    if (signal === 'faro' || node.startsWith(OTLP_NODE_PREFIX) === signal.startsWith('otlp-')) return;
    throw new NodeMismatch(
      `Names that begin with "${OTLP_NODE_PREFIX}" are those of senders by OTLP over HTTP, and no others; ` +
        `the message came as "${signal}" of "${node}".`,
    );
  }

  #resource(bytes: Buffer): ResourceEntry {
    const entry = this.#cache.get(bytes);
    const { node } = entry.facts.identity;
    if (node !== this.#node) {
      const claim = node === '' ? 'names no node (service.instance.id)' : `is of the node "${node.slice(0, 63)}"`;
      throw new NodeMismatch(`The message came on the subject of the node "${this.#node}" but ${claim}.`);
    }
    this.#resources.add(entry);
    return entry;
  }
}
