/**
 * How many machines a service needs, and which limit it meets first: the arithmetic behind ../production.md.
 * npx node infra/production/sizing.ts --viewers 1000000 --bitrate 1Mbit --card 10Gbit [--json] (--help: every figure)
 */
import { parseArgs } from 'node:util';
import { ConfigError, errorMessage } from '@weir/contracts/errors';
import { closestName } from '@weir/contracts/topology/names';
import { parseSpeed } from '@weir/contracts/topology/network';

/** What is known or assumed. Each default says where it is from; put your own figures in their place. */
export interface SizingInput {
  viewers: number;
  /** Live streams at once. */
  streams: number;
  bitrateBitsPerSecond: number;
  /** Outgoing speed of an edge's or origin's card. */
  cardBitsPerSecond: number;
  /** A card is full here (row M11). */
  cardFill: number;
  coresPerEdge: number;
  /** A core is full here: what is left is for joins and the system. */
  coreFill: number;
  /** CPU time of an edge per viewer and second, µs; `npm run bench -- rtmp` measures it. */
  microsPerViewerSecond: number;
  /** `limits.connections` of an edge. */
  connectionsPerEdge: number;
  /** Share of edges that may be away at once (failures, upgrades). */
  spareShare: number;
  /** Packets a director passes per second and machine. */
  directorPacketsPerSecond: number;
  /** Series a node reports, and how often. */
  seriesPerNode: number;
  sampleIntervalSeconds: number;
  /** Raw samples on disk; `npm run bench -- compression` measures it (infra/clickhouse/README.md: 0.753, and what series add). */
  bytesPerSample: number;
  /** How long raw samples are kept (infra/clickhouse/migrations). */
  rawDays: number;
  /** A sample in JetStream, and CPU time of the NATS servers and of ClickHouse for it, rollups included: `npm run bench -- ingest`. */
  wireBytesPerSample: number;
  natsMicrosPerSample: number;
  storeMicrosPerSample: number;
}

export const DEFAULT_INPUT: SizingInput = {
  viewers: 10_000,
  streams: 100,
  bitrateBitsPerSecond: 1_000_000,
  cardBitsPerSecond: 10_000_000_000,
  cardFill: 0.9,
  coresPerEdge: 8,
  coreFill: 0.7,
  microsPerViewerSecond: 60,
  connectionsPerEdge: 8_000,
  spareShare: 0.2,
  directorPacketsPerSecond: 1_000_000,
  seriesPerNode: 200,
  sampleIntervalSeconds: 5,
  bytesPerSample: 0.8,
  rawDays: 7,
  // 200 series in 16 kB; at 40,000 samples/s nats-server took 0.11 core and the store 1.6 (services/ingest/README.md)
  wireBytesPerSample: 80,
  natsMicrosPerSample: 3,
  storeMicrosPerSample: 40,
};

/** What is needed. */
export interface Sizing {
  edges: number;
  /** Edges each limit asks for by itself, before spares. */
  edgesBy: { bandwidth: number; cpu: number; connections: number };
  /** The one that asks for most. */
  firstLimit: keyof Sizing['edgesBy'];
  viewersPerEdge: number;
  origins: number;
  /** Hops from a stream's origin to the edges; more than one = a tree. */
  relayDepth: number;
  /** LVS groups, of two directors each. */
  groups: number;
  directors: number;
  /** Acknowledgements of viewers that pass the directors, bits per second, all groups together. */
  directorBitsPerSecond: number;
  egressBitsPerSecond: number;
  samplesPerSecond: number;
  rawBytes: number;
  natsMessagesPerSecond: number;
  natsCores: number;
  /** What JetStream keeps for each hour that nobody writes to ClickHouse, per replica. */
  natsBytesPerHour: number;
  storeCores: number;
  /** Writers of ingest at the rate one copy is meant to bear. */
  ingestWriters: number;
}

/** A full segment of TCP over Ethernet, payload bytes. */
const SEGMENT_BYTES = 1_448;
/** Receivers acknowledge every second segment. */
const SEGMENTS_PER_ACK = 2;
/** An acknowledgement on the wire. */
const ACK_BYTES = 66;
/** The rate one copy of ingest is aimed at (issue 5). */
const SAMPLES_PER_WRITER = 150_000;
/** A sample and its events per interval, beside heartbeats. */
const MESSAGES_PER_SAMPLE_INTERVAL = 2;
const HEARTBEAT_SECONDS = 2;
/** Two, so that one may die. */
const MIN_ORIGINS = 2;

/** @throws ConfigError `SIZING_INPUT` when a figure is not positive. */
export function size(given: Partial<SizingInput>): Sizing {
  const input = { ...DEFAULT_INPUT, ...given };
  for (const [name, value] of Object.entries(input)) {
    if (!(value > 0) && name !== 'spareShare') {
      throw new ConfigError('SIZING_INPUT', `${name} must be above zero, but is ${value}.`);
    }
  }
  const usableCard = input.cardBitsPerSecond * input.cardFill;
  const egressBitsPerSecond = input.viewers * input.bitrateBitsPerSecond;
  const edgesBy = {
    bandwidth: Math.ceil(egressBitsPerSecond / usableCard),
    cpu: Math.ceil((input.viewers * input.microsPerViewerSecond) / 1e6 / (input.coresPerEdge * input.coreFill)),
    connections: Math.ceil(input.viewers / input.connectionsPerEdge),
  };
  const firstLimit = (Object.keys(edgesBy) as (keyof typeof edgesBy)[]).reduce((a, b) =>
    edgesBy[b] > edgesBy[a] ? b : a,
  );
  const needed = edgesBy[firstLimit];
  const edges = Math.max(2, needed + Math.ceil(needed * input.spareShare));
  const viewersPerEdge = input.viewers / edges;
  // the worst case: every edge has viewers of as many streams as it can
  const relays = edges * Math.min(input.streams, Math.ceil(viewersPerEdge));
  const fanOut = Math.max(2, Math.floor(usableCard / input.bitrateBitsPerSecond));
  const byRelays = Math.ceil((relays * input.bitrateBitsPerSecond) / usableCard);
  const origins = Math.max(MIN_ORIGINS, byRelays + 1);
  const acksPerViewer = input.bitrateBitsPerSecond / 8 / SEGMENT_BYTES / SEGMENTS_PER_ACK;
  const groups = Math.max(1, Math.ceil((input.viewers * acksPerViewer) / input.directorPacketsPerSecond));
  const directors = groups * 2;
  const nodes = edges + origins;
  const samplesPerSecond = (nodes * input.seriesPerNode) / input.sampleIntervalSeconds;
  return {
    edges,
    edgesBy,
    firstLimit,
    viewersPerEdge: Math.ceil(viewersPerEdge),
    origins,
    relayDepth: edges <= fanOut ? 1 : Math.ceil(Math.log(edges) / Math.log(fanOut)),
    groups,
    directors,
    directorBitsPerSecond: Math.round(input.viewers * acksPerViewer * ACK_BYTES * 8),
    egressBitsPerSecond,
    samplesPerSecond,
    rawBytes: samplesPerSecond * 86_400 * input.rawDays * input.bytesPerSample,
    natsMessagesPerSecond: nodes * (MESSAGES_PER_SAMPLE_INTERVAL / input.sampleIntervalSeconds + 1 / HEARTBEAT_SECONDS),
    natsCores: (samplesPerSecond * input.natsMicrosPerSample) / 1e6,
    natsBytesPerHour: samplesPerSecond * 3_600 * input.wireBytesPerSample,
    storeCores: (samplesPerSecond * input.storeMicrosPerSample) / 1e6,
    ingestWriters: Math.max(1, Math.ceil(samplesPerSecond / SAMPLES_PER_WRITER)),
  };
}

/** The command line: `--viewers 1e6 --bitrate 2.5Mbit --card 25Gbit …`, every key of the input by its name in kebab-case. */
export function main(argv: readonly string[]): string {
  const names = Object.keys(DEFAULT_INPUT) as (keyof SizingInput)[];
  const values = argumentsOf(argv, names.map(flag));
  if (values.help === true) return help(names);
  const given: Partial<SizingInput> = {};
  for (const name of names) {
    const text = values[flag(name)];
    if (typeof text !== 'string') continue;
    const value = name.endsWith('BitsPerSecond') ? parseSpeed(text) : Number(text);
    if (value === undefined || !Number.isFinite(value))
      throw new ConfigError('SIZING_INPUT', `--${flag(name)} is no figure: "${text}".`);
    given[name] = value;
  }
  const sizing = size(given);
  return values.json === true ? JSON.stringify(sizing) : describeSizing(sizing);
}

/** `--card` for `cardBitsPerSecond`, without the dashes in front. */
function flag(name: string): string {
  return name.replace(/BitsPerSecond$/, '').replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** @throws ConfigError `SIZING_USAGE` with the nearest flag there is. */
function argumentsOf(argv: readonly string[], flags: readonly string[]): Record<string, string | boolean | undefined> {
  const known = ['json', 'help', ...flags];
  const strange = argv.find((word) => word.startsWith('--') && !known.includes(word.slice(2).split('=', 1)[0] ?? ''));
  if (strange !== undefined)
    throw new ConfigError('SIZING_USAGE', `There is no ${strange} (see --help)${closestName(strange.slice(2), known)}`);
  try {
    const text = Object.fromEntries(flags.map((name) => [name, { type: 'string' as const }]));
    return parseArgs({ args: [...argv], options: { json: { type: 'boolean' }, help: { type: 'boolean' }, ...text } })
      .values;
  } catch (error) {
    throw new ConfigError('SIZING_USAGE', `${errorMessage(error)}; see --help.`, { cause: error });
  }
}

function help(names: readonly (keyof SizingInput)[]): string {
  const lines = names.map((name) => `  --${flag(name).padEnd(30)} ${DEFAULT_INPUT[name]}`);
  return `How many machines a service needs, and which limit it meets first. Every figure has a default:\n${lines.join('\n')}
  --${'json'.padEnd(30)} everything, as JSON
Bits per second also as 25Gbit; where the defaults are from: infra/production.md.`;
}

function describeSizing(sizing: Sizing): string {
  const by = Object.entries(sizing.edgesBy).map(([limit, edges]) => `${limit} ${edges}`);
  const rows = [
    [
      'edges',
      `${sizing.edges} of ${sizing.viewersPerEdge} viewers (${by.join(', ')}; first limit: ${sizing.firstLimit})`,
    ],
    ['origins', `${sizing.origins}, ${sizing.relayDepth} hop(s) to the edges`],
    [
      'directors',
      `${sizing.directors} in ${sizing.groups} group(s), ${gigabits(sizing.directorBitsPerSecond)} of acknowledgements`,
    ],
    ['out', gigabits(sizing.egressBitsPerSecond)],
    [
      'telemetry',
      `${Math.round(sizing.samplesPerSecond)} samples/s, ${(sizing.rawBytes / 1e9).toFixed(1)} GB raw, ${sizing.ingestWriters} writer(s)`,
    ],
    [
      'nats',
      `${Math.round(sizing.natsMessagesPerSecond)} messages/s, ${sizing.natsCores.toFixed(3)} core, ${(sizing.natsBytesPerHour / 1e9).toFixed(2)} GB for each hour without a writer`,
    ],
    ['store', `${sizing.storeCores.toFixed(2)} core of ClickHouse for samples and rollups`],
  ];
  return rows.map(([name = '', value = '']) => `${name.padEnd(10)} ${value}`).join('\n');
}

function gigabits(bitsPerSecond: number): string {
  return `${(bitsPerSecond / 1e9).toFixed(2)} Gbit/s`;
}

if (import.meta.main) {
  try {
    process.stdout.write(`${main(process.argv.slice(2))}\n`);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`sizing: ${error.message} [${error.code}]\n`);
    process.exitCode = 1;
  }
}
