/**
 * Definitions of the JetStream streams, applied idempotently by whoever needs them first (ingest, `weir up`). Nodes
 * only publish: they wait in their outbox until the streams are there. Only features of NATS 2.9 are used.
 */
import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream';
import type { Config } from '../config/schema.ts';
import { WeirError } from '../errors.ts';
import { DEAD_LETTER_STREAM, DEAD_LETTER_SUBJECT_PREFIX, TELEMETRY_STREAM, TELEMETRY_SUBJECT_PREFIX } from './names.ts';

/**
 * How long JetStream remembers message ids. A repeat of a node that comes later is stored again and recognised by ingest
 * from `Weir-Outbox` and `Weir-Sequence`. Browsers have no such numbers: the stock Faro SDK gives up after three attempts,
 * at most 90 s after the first, or 210 s in a hidden tab, whose timers run once a minute. JetStream keeps the ids in memory.
 */
export const DUPLICATE_WINDOW_MS = 300_000;

/** What the definitions depend on. */
export interface StreamSettings {
  nats: Pick<Config['nats'], 'replicas'>;
  telemetry: Pick<Config['telemetry'], 'streamMaxBytes' | 'streamMaxAgeMs'>;
}

type Definition = Pick<
  StreamConfig,
  | 'name'
  | 'subjects'
  | 'description'
  | 'retention'
  | 'storage'
  | 'discard'
  | 'num_replicas'
  | 'max_bytes'
  | 'max_age'
  | 'duplicate_window'
  | 'allow_direct'
>;

/**
 * The streams as they should be. Messages stay after ingest has read them (replay, other readers), so the oldest go
 * when a stream is full; what goes unread shows as a hole in the sequence of its outbox. Direct get lets a node read
 * back the time of its own last message ({@link TELEMETRY_STREAM}'s clock).
 */
export function telemetryStreams(settings: StreamSettings, duplicateWindowMs = DUPLICATE_WINDOW_MS): Definition[] {
  const common = {
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    num_replicas: settings.nats.replicas,
    max_bytes: settings.telemetry.streamMaxBytes,
    max_age: settings.telemetry.streamMaxAgeMs * NANOS_PER_MS,
    // JetStream refuses a window longer than the age of the messages
    duplicate_window: Math.min(duplicateWindowMs, settings.telemetry.streamMaxAgeMs) * NANOS_PER_MS,
    allow_direct: true,
  };
  return [
    {
      ...common,
      name: TELEMETRY_STREAM,
      subjects: [`${TELEMETRY_SUBJECT_PREFIX}.>`],
      description: 'Telemetry of all nodes and browsers on its way to ClickHouse',
    },
    {
      ...common,
      name: DEAD_LETTER_STREAM,
      subjects: [`${DEAD_LETTER_SUBJECT_PREFIX}.>`],
      description: 'Telemetry that ingest could not use, with the reason in a header',
    },
  ];
}

/**
 * Creates what is missing and changes what differs; any number of processes may do so at once.
 * @param duplicateWindowMs shorter in tests that exceed it.
 * @throws WeirError `NATS_STREAM` naming the stream and what JetStream answered.
 */
export async function ensureTelemetryStreams(
  jsm: JetStreamManager,
  settings: StreamSettings,
  duplicateWindowMs = DUPLICATE_WINDOW_MS,
): Promise<void> {
  for (const definition of telemetryStreams(settings, duplicateWindowMs)) {
    try {
      await ensure(jsm, definition);
    } catch (error) {
      if (!(error instanceof JetStreamApiError)) throw error;
      const hint = definition.num_replicas > 1 ? '; nats.replicas must not exceed the number of NATS servers' : '';
      throw new WeirError('NATS_STREAM', `JetStream refused the stream ${definition.name}: ${error.message}${hint}.`, {
        cause: error,
        retryable: error.status >= 500,
      });
    }
  }
}

async function ensure(jsm: JetStreamManager, definition: Definition): Promise<void> {
  const existing = await find(jsm, definition.name);
  if (!existing) await jsm.streams.add(definition);
  else if (differs(existing, definition)) await jsm.streams.update(definition.name, definition);
}

async function find(jsm: JetStreamManager, name: string): Promise<StreamConfig | undefined> {
  try {
    return (await jsm.streams.info(name)).config;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND) return undefined;
    throw error;
  }
}

function differs(existing: StreamConfig, wanted: Definition): boolean {
  return Object.entries(wanted).some(
    ([key, value]) => JSON.stringify(existing[key as keyof StreamConfig]) !== JSON.stringify(value),
  );
}

const STREAM_NOT_FOUND = 10_059;
const NANOS_PER_MS = 1_000_000;
