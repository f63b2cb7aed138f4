/**
 * From whom to pull a stream. Edges ask the origins in rendezvous order, then the publishing edge itself; origins ask the
 * publishing edge only, and an edge serves other nodes only what is published on it. So no pull can go in a circle.
 */
import { type NodeRole, servesAsOrigin } from '@weir/contracts/nats/records';
import type { Directory } from '../cluster/directory.ts';
import { rendezvousOrder } from '../cluster/rendezvous.ts';

/** A node to pull from. */
export interface Source {
  node: string;
  host: string;
  port: number;
  /** How it was found: as an origin of the stream, or as the node it is published on. */
  kind: 'origin' | 'publisher';
}

/** An origin named in the configuration. */
export interface ConfiguredOrigin {
  node: string;
  host: string;
  port: number;
}

/** What routing depends on. */
export interface RouteOptions {
  node: string;
  role: NodeRole;
  /** True while this edge serves as origin too: it then asks like one, so that no two ask each other. */
  readonly elected?: boolean;
  directory: Directory;
  configuredOrigins: readonly ConfiguredOrigin[];
  suspects: Suspects;
}

/** Weight of an origin of which only the address is known. */
const UNKNOWN_CAPACITY = 10_000;
/** While NATS is away an origin may have to ask around; so many nodes at most. */
const MAX_GUESSES = 16;

/** Whom to ask for `stream`, in this order; never this node itself. Nodes that just failed come last. */
export function routeTo(stream: string, options: RouteOptions): Source[] {
  const { node, role, directory, suspects } = options;
  const record = directory.publisherOf(stream);
  const publisher = record ? toSource(record.node, record.relay, 'publisher') : undefined;
  const sources: Source[] = servesAsOrigin(options) ? [] : originsFor(stream, options);
  if (publisher && !sources.some((source) => source.node === publisher.node)) sources.push(publisher);
  if (role === 'origin' && !record && !directory.isFresh) sources.push(...guesses(stream, directory));
  const others = sources.filter((source) => source.node !== node);
  const good = others.filter((source) => !suspects.isSuspect(source.node));
  return [...good, ...others.filter((source) => !good.includes(source))];
}

function originsFor(stream: string, { directory, configuredOrigins }: RouteOptions): Source[] {
  const live = directory.nodes().filter((record) => servesAsOrigin(record) && !record.draining);
  const known = live.flatMap((record) => {
    const source = toSource(record.node, record.addresses.relay, 'origin');
    return source ? [{ ...source, capacity: record.capacity }] : [];
  });
  // Configured ones count while NATS is away, or when nobody else is there.
  const useConfigured = !directory.isFresh || known.length === 0;
  const configured = configuredOrigins
    .filter((origin) => useConfigured && !known.some(({ node }) => node === origin.node))
    .map((origin) => ({ ...origin, kind: 'origin' as const, capacity: UNKNOWN_CAPACITY }));
  return rendezvousOrder(stream, [...known, ...configured]);
}

/** Edges that may have the stream. Not origins: one would take our pull and come to ask us. */
function guesses(stream: string, directory: Directory): Source[] {
  const edges = directory.nodes().filter(({ role }) => role === 'edge');
  const sources = edges.flatMap((edge) => toSource(edge.node, edge.addresses.relay, 'publisher') ?? []);
  return rendezvousOrder(
    stream,
    sources.map((source) => ({ ...source, capacity: 1 })),
  ).slice(0, MAX_GUESSES);
}

function toSource(node: string, address: string, kind: Source['kind']): Source | undefined {
  const at = parseAddress(address);
  return at ? { node, kind, ...at } : undefined;
}

/** `host:port` (IPv6 in brackets) in parts, or undefined. */
export function parseAddress(address: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(address);
  const host = match?.[1] ?? match?.[2];
  return match && host !== undefined ? { host, port: Number(match[3]) } : undefined;
}

/** Nodes that failed a pull a moment ago, until they are heard of again. */
export class Suspects {
  readonly #failedMs = new Map<string, number>();
  readonly #lastSeenMs: (node: string) => number;
  readonly #onAdded: (node: string) => void;
  /** Without a heartbeat to clear it a suspicion is forgotten after so long. */
  static readonly FORGET_MS = 10_000;

  /** @param onAdded told of each suspicion, so that others hear of it. */
  constructor(lastSeenMs: (node: string) => number, onAdded: (node: string) => void = () => {}) {
    this.#lastSeenMs = lastSeenMs;
    this.#onAdded = onAdded;
  }

  /** A pull from `node` failed. */
  add(node: string): void {
    this.#failedMs.set(node, Date.now());
    this.#onAdded(node);
  }

  /** A pull from `node` works. */
  clear(node: string): void {
    this.#failedMs.delete(node);
  }

  isSuspect(node: string): boolean {
    const failedMs = this.#failedMs.get(node);
    if (failedMs === undefined) return false;
    const isOver = this.#lastSeenMs(node) > failedMs || Date.now() - failedMs > Suspects.FORGET_MS;
    if (isOver) this.#failedMs.delete(node);
    return !isOver;
  }
}
