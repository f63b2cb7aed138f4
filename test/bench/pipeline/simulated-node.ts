/**
 * Telemetry of a simulated node for the benches: the payload is built once by OpenTelemetry's own serializer, then only
 * its times and values are overwritten, so that making it costs next to nothing beside what is measured.
 * After it: JetStream, or the decoder alone.
 */
import { METRICS, type MetricDefinition } from '@weir/contracts/metrics';
import { metricsPayload, type Sender, type TestPoint } from '@weir/test/harness/otlp-sender';

/** NumberDataPoint: time_unix_nano (field 3) and as_double (field 4), both fixed64. */
const TIME_TAG = 0x19;
const VALUE_TAG = 0x21;
const NANOS_PER_MS = 1_000_000n;
/** A time that occurs nowhere else in the payload. */
const PLACEHOLDER_MS = 1_234_567_890_123;

/** Deterministic numbers in [0, 1) from a seed (mulberry32): two runs send the same data. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** One node that reports `series` series, named after the catalogue's metrics. */
export class SimulatedNode {
  readonly sender: Sender;
  readonly #template: Buffer;
  readonly #timeOffsets: number[] = [];
  readonly #valueOffsets: number[] = [];
  readonly #values: Float64Array;
  readonly #isCounter: boolean[];
  readonly #random: () => number;

  constructor(number: number, series: number) {
    this.sender = { node: `bench-${number}`, machineId: `bench-machine-${number}` };
    this.#random = seededRandom(number);
    const points = seriesPoints(series);
    this.#isCounter = points.map(({ kind }) => kind === 'counter');
    this.#values = Float64Array.from(points, () => Math.floor(this.#random() * 1_000));
    // grouped by metric, as the serializer writes them
    this.#template = Buffer.from(metricsPayload(this.sender, points));
    const wanted = Buffer.alloc(9);
    wanted[0] = TIME_TAG;
    wanted.writeBigUInt64LE(BigInt(PLACEHOLDER_MS) * NANOS_PER_MS, 1);
    for (let at = this.#template.indexOf(wanted); at >= 0; at = this.#template.indexOf(wanted, at + 9)) {
      this.#timeOffsets.push(at + 1);
      const value = this.#template.indexOf(VALUE_TAG, at + 9);
      this.#valueOffsets.push(value + 1);
    }
    if (this.#timeOffsets.length !== series) throw new Error(`${this.#timeOffsets.length} points instead of ${series}`);
  }

  /** Bytes of a payload. */
  get payloadBytes(): number {
    return this.#template.length;
  }

  /**
   * The next payload, of its own memory. Series behave as those of real nodes: a third never change (limits, counts),
   * a third are counters of whole numbers around a level, a third gauges that wander with three digits.
   */
  payload(timeMs: number): Buffer {
    const bytes = Buffer.from(this.#template);
    const nanos = BigInt(timeMs) * NANOS_PER_MS;
    for (let i = 0; i < this.#timeOffsets.length; i++) {
      bytes.writeBigUInt64LE(nanos, this.#timeOffsets[i] as number);
      bytes.writeDoubleLE(this.#next(i), this.#valueOffsets[i] as number);
    }
    return bytes;
  }

  #next(index: number): number {
    const level = this.#values[index] as number;
    if (this.#isCounter[index]) return Math.floor(level * (0.9 + this.#random() / 5));
    if (index % 2 === 0) return level;
    const moved = Math.max(0, level + Math.round((this.#random() - 0.5) * 20) / 10);
    this.#values[index] = Math.round(moved * 10) / 10;
    return this.#values[index] as number;
  }
}

/** `count` distinct series over the catalogue's counters and gauges. */
function seriesPoints(count: number): TestPoint[] {
  const metrics: MetricDefinition[] = Object.values(METRICS).filter(({ kind }) => kind !== 'histogram');
  return Array.from({ length: count }, (_, index): TestPoint => {
    const { name, kind, unit } = metrics[index % metrics.length] as MetricDefinition;
    const attributes = { 'network.interface.name': `eth${Math.floor(index / metrics.length)}` };
    return {
      metric: name,
      kind: kind as 'counter' | 'gauge' | 'up-down-counter',
      value: 0,
      timeMs: PLACEHOLDER_MS,
      unit,
      attributes,
    };
  });
}
