/**
 * Which keys of a new configuration differ, and which of them can change while the node runs. A reload is all or nothing:
 * with one key that needs a restart nothing changes, and the key is named. Before it: the admin API; after it: main.ts.
 */
import type { Config } from '@weir/contracts/config/schema';
import { WeirError } from '@weir/contracts/errors';
import type { Logger } from '@weir/contracts/logger';
import type { Access } from '../access/access.ts';
import type { Listeners } from '../listeners.ts';
import type { KeyRing } from '../relay/key-ring.ts';
import type { Connections } from '../stream/connections.ts';
import { mergeWindow } from '../stream/hub-settings.ts';
import type { MergeClocks } from '../stream/merge-clocks.ts';
import type { Certificate } from '../tls/certificate.ts';
import type { Reloaded } from './node-handle.ts';

/** Keys, and sections with a dot behind, that can change live. */
const LIVE: readonly string[] = [
  'access.',
  'callbacks.',
  'tls.',
  'relay.keys',
  'limits.connections',
  'limits.connectionsPerIp',
  'limits.connectsPerIp',
  'limits.connectsPerIpBurst',
  'limits.viewersPerStream',
  'limits.bitsPerPublisher',
  'limits.apps',
  'limits.appGraceMs',
  'stream.mergeWindowMinMs',
  'stream.mergeWindowMaxMs',
  'log.level',
];

/**
 * The keys that differ, all of which can change live.
 * @throws WeirError `EDGE_RELOAD_RESTART` naming those that cannot.
 */
export function liveChanges(before: Readonly<Config>, after: Readonly<Config>): string[] {
  const changed = differences(before, after).sort();
  // A listener with TLS cannot come or go.
  const listens = (config: Readonly<Config>) => config.tls.certFile !== '';
  const needRestart = changed.filter(
    (key) => !isLive(key) || (key.startsWith('tls.') && listens(before) !== listens(after)),
  );
  if (needRestart.length === 0) return changed;
  throw new WeirError(
    'EDGE_RELOAD_RESTART',
    `Nothing was changed: ${needRestart.join(', ')} can only change with a restart of the node.`,
  );
}

function isLive(key: string): boolean {
  return LIVE.some((live) => (live.endsWith('.') ? key.startsWith(live) : key === live));
}

/** Paths of all leaves that differ; lists are leaves. */
function differences(before: unknown, after: unknown, path = ''): string[] {
  if (!isSection(before) || !isSection(after)) return JSON.stringify(before) === JSON.stringify(after) ? [] : [path];
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].flatMap((key) => differences(before[key], after[key], path === '' ? key : `${path}.${key}`));
}

function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What {@link reloader} changes. */
export interface ReloaderOptions {
  /** In force at the start. */
  config: Readonly<Config>;
  /** Reads it again; undefined = it cannot be. */
  read: (() => Readonly<Config>) | undefined;
  ring: KeyRing;
  access: Access;
  clocks: MergeClocks;
  connections: Connections;
  listeners: Listeners;
  certificate: Certificate | undefined;
  logger: Logger;
}

/** A function that puts a configuration in force that was read anew; whatever throws does so before anything changed. */
export function reloader(options: ReloaderOptions): (() => Reloaded) | undefined {
  const { read, ring, access, clocks, connections, listeners, certificate, logger } = options;
  if (!read) return undefined;
  let config = options.config;
  return () => {
    const next = read();
    const changed = liveChanges(config, next);
    const window = mergeWindow(next.stream);
    const useCertificate = certificate?.prepare(next.tls);
    const useKeys = ring.prepare(next.relay.keys);
    access.configure(next);
    useKeys();
    useCertificate?.();
    clocks.setBounds(window);
    connections.limit = next.limits.connections;
    listeners.configure(next);
    if (changed.includes('log.level')) logger.level = next.log.level;
    config = next;
    return { changed, certificate: certificate !== undefined };
  };
}
