/** Spans of a Faro payload: OTLP traces in JSON (opentelemetry-proto, trace.proto) as flat rows. */
import { asJson, type Json } from './payload.ts';
import { boundedText, textOf } from './values.ts';

/** One row of viewer_spans, without what it shares with the payload's other rows. */
export interface SpanRow {
  /** Unix time of its start, ms. */
  timeMs: number;
  trace_id: string;
  span_id: string;
  parent_span_id: string;
  name: string;
  duration_ms: number;
  status: string;
  attributes: Record<string, string>;
}

const STATUS = ['unset', 'ok', 'error'];
const MAX_ATTRIBUTES = 64;
const MAX_TEXT_CHARACTERS = 2_000;
const NANOS_PER_MS = 1_000_000n;

/** At most `most` spans, and how many were left out. */
export function rowsOfSpans(traces: Json, most: number): { spans: SpanRow[]; skipped: number } {
  const spans: SpanRow[] = [];
  let skipped = 0;
  for (const resource of listOf(traces.resourceSpans)) {
    for (const scope of listOf(resource.scopeSpans)) {
      for (const span of listOf(scope.spans)) {
        if (spans.length < most) spans.push(rowOf(span));
        else skipped += 1;
      }
    }
  }
  return { spans, skipped };
}

function rowOf(span: Json): SpanRow {
  const startNanos = nanosOf(span.startTimeUnixNano);
  const lengthNanos = nanosOf(span.endTimeUnixNano) - startNanos;
  const code = asJson(span.status).code;
  return {
    timeMs: Number(startNanos / NANOS_PER_MS),
    trace_id: boundedText(textOf(span.traceId)),
    span_id: boundedText(textOf(span.spanId)),
    parent_span_id: boundedText(textOf(span.parentSpanId)),
    name: boundedText(textOf(span.name)),
    duration_ms: lengthNanos > 0n ? Number(lengthNanos) / Number(NANOS_PER_MS) : 0,
    status: STATUS[typeof code === 'number' ? code : 0] ?? 'unset',
    attributes: attributesOf(span.attributes),
  };
}

/** 64-bit nanoseconds travel as text in JSON, because a number would lose the last digits; 0 for anything else. */
function nanosOf(value: unknown): bigint {
  const text = textOf(value);
  return /^\d{1,19}$/.test(text) ? BigInt(text) : 0n;
}

function attributesOf(attributes: unknown): Record<string, string> {
  const entries = listOf(attributes)
    .slice(0, MAX_ATTRIBUTES)
    .map(({ key, value }): [string, string] => {
      const [only] = Object.values(asJson(value));
      const text = typeof only === 'object' && only !== null ? JSON.stringify(only) : textOf(only);
      return [boundedText(textOf(key)), text.slice(0, MAX_TEXT_CHARACTERS)];
    });
  return Object.fromEntries(entries);
}

function listOf(value: unknown): Json[] {
  return Array.isArray(value) ? value.map(asJson) : [];
}
