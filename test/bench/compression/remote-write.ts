/**
 * Samples as Prometheus' remote write takes them (version 0.1.0: a protobuf WriteRequest in a snappy block), in the order of
 * time, as a scraper would send them. Snappy is written as literals only: any reader takes it, and nothing of its work is
 * spared. Before it: series; after it: bodies of requests.
 */
import { varintBytes, WireWriter } from '@weir/contracts/otlp/wire-writer';

interface Series {
  labels: Record<string, string>;
  times: number[];
  values: number[];
}

/** One request holds some rounds (all series at one moment); at most about `samples` samples. */
export function remoteWriteRequests(series: readonly Series[], samples: number): Buffer[] {
  const heads = series.map(({ labels }) => {
    const writer = new WireWriter();
    for (const [name, value] of Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))
      writer.bytes(1, new WireWriter().text(1, name).text(2, value).finish());
    return writer.finish();
  });
  const rounds = new Map<number, [at: number, value: number][]>();
  for (const [at, { times, values }] of series.entries()) {
    for (const [index, time] of times.entries()) {
      const round = rounds.get(time) ?? [];
      if (round.length === 0) rounds.set(time, round);
      round.push([at, values[index] as number]);
    }
  }
  const requests: Buffer[] = [];
  let parts: Uint8Array[] = [];
  let count = 0;
  const flush = () => {
    const request = new WireWriter();
    for (const part of parts) request.bytes(1, part);
    if (count > 0) requests.push(snappyLiterals(request.finish()));
    parts = [];
    count = 0;
  };
  for (const [time, round] of [...rounds].sort(([a], [b]) => a - b)) {
    for (const [at, value] of round) {
      const sample = new WireWriter().double(1, value).varint(2, time).finish();
      parts.push(
        new WireWriter()
          .raw(heads[at] as Buffer)
          .bytes(2, sample)
          .finish(),
      );
      count++;
    }
    if (count >= samples) flush();
  }
  flush();
  return requests;
}

/** A snappy block (format_description.txt of google/snappy) without any copies. */
function snappyLiterals(bytes: Buffer): Buffer {
  const parts: Uint8Array[] = [varintBytes(bytes.length)];
  for (let from = 0; from < bytes.length; from += LITERAL_MAX) {
    const literal = bytes.subarray(from, from + LITERAL_MAX);
    const tag = Buffer.alloc(3);
    // 61 in the upper six bits: the length less one follows in two bytes
    tag[0] = 61 << 2;
    tag.writeUInt16LE(literal.length - 1, 1);
    parts.push(tag, literal);
  }
  return Buffer.concat(parts);
}

const LITERAL_MAX = 65_536;
