/**
 * The recorded corpus: what a real small cluster (`weir up --demo` with changing load) reported of itself and its machine,
 * value by value. Before it: record.ts, which writes corpus.json.br; after it: replicas.ts, which makes many nodes of it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';

/** One series as it was stored. */
export interface CorpusSeries {
  metric: string;
  kind: string;
  unit: string;
  /** Empty for figures of the machine. */
  node: string;
  attributes: Record<string, string>;
  /** Tick of each value (rising), relative to the start of the recording. */
  ticks: number[];
  values: number[];
}

/** The whole recording; all of it is of one machine. */
export interface Corpus {
  /** ISO 8601. */
  recordedAt: string;
  what: string;
  intervalMs: number;
  /** Ticks from the first value to the last, both counted. */
  ticks: number;
  series: CorpusSeries[];
}

const FILE = new URL('./corpus.json.br', import.meta.url);

export function readCorpus(): Corpus {
  return JSON.parse(brotliDecompressSync(readFileSync(FILE)).toString('utf8')) as Corpus;
}

/** Writes the corpus; bytes of the file. */
export function writeCorpus(corpus: Corpus): number {
  const text = Buffer.from(JSON.stringify(corpus));
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
    [constants.BROTLI_PARAM_SIZE_HINT]: text.length,
  };
  const bytes = brotliCompressSync(text, { params });
  writeFileSync(FILE, bytes);
  return bytes.length;
}

/**
 * The step a series is told in: all its values are multiples of it. Whole numbers: their greatest common divisor; others:
 * a power of ten, of which `decimals` says how many digits that is; 17 digits or so: no step.
 */
export function stepOf(values: readonly number[]): { step: number; decimals: number } {
  if (values.every(Number.isInteger)) {
    return {
      step: Math.max(
        1,
        values.reduce((a, b) => gcd(a, Math.abs(b)), 0),
      ),
      decimals: 0,
    };
  }
  for (let decimals = 1; decimals <= MAX_DECIMALS; decimals++) {
    const scale = 10 ** decimals;
    if (values.every((value) => Math.round(value * scale) / scale === value)) return { step: 1 / scale, decimals };
  }
  return { step: 0, decimals: MAX_DECIMALS + 1 };
}

/** Beyond, digits are taken for noise. */
const MAX_DECIMALS = 9;

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
