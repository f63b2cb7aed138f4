/**
 * What a node's configuration says in more than one word: its name, the origins it knows, addresses. Before it: the
 * configuration; after it: main.ts.
 */
import { availableParallelism, hostname } from 'node:os';
import type { Config } from '@weir/contracts/config/schema';
import { ConfigError, errorMessage } from '@weir/contracts/errors';
import { isNodeName } from '@weir/contracts/nats/names';
import type { NodeRecord } from '@weir/contracts/nats/records';
import { type Clip, readClip } from './relay/clip.ts';
import { type ConfiguredOrigin, parseAddress } from './relay/route.ts';

/** The node's name: configured, else the host's. @throws ConfigError `EDGE_NODE_NAME`. */
export function nodeName(config: Readonly<Config>): string {
  const name = config.node.name === '' ? (hostname().split('.')[0] ?? '') : config.node.name;
  if (isNodeName(name)) return name;
  throw new ConfigError(
    'EDGE_NODE_NAME',
    `"${name}" is no node name: set node.name to letters, digits, - and _, not beginning with otlp-.`,
  );
}

/** `relay.origins` in parts. @throws ConfigError `EDGE_ORIGIN_ADDRESS`. */
export function configuredOrigins(config: Readonly<Config>): ConfiguredOrigin[] {
  return config.relay.origins.map((text) => {
    const [node = '', address = ''] = text.split('=', 2);
    const at = parseAddress(address);
    if (at && isNodeName(node)) return { node, ...at };
    throw new ConfigError('EDGE_ORIGIN_ADDRESS', `relay.origins has "${text}", which is not name=host:relayPort.`);
  });
}

/** The clips of `stream.alwaysOn` by app. @throws ConfigError `EDGE_ALWAYS_ON`. */
export function alwaysOnClips(config: Readonly<Config>): (app: string) => Clip | undefined {
  const clips = new Map<string, Clip>();
  const files = new Map<string, Clip>();
  for (const entry of config.stream.alwaysOn) {
    const [app = '', file = ''] = entry.split(/=(.*)/s);
    if (app === '' || file === '') {
      throw new ConfigError(
        'EDGE_ALWAYS_ON',
        `stream.alwaysOn has "${entry}", which is not app=file.flv or *=file.flv.`,
      );
    }
    try {
      const clip = files.get(file) ?? readClip(file);
      files.set(file, clip);
      clips.set(app, clip);
    } catch (error) {
      const why = errorMessage(error);
      throw new ConfigError('EDGE_ALWAYS_ON', `The clip of stream.alwaysOn for "${app}" cannot be used: ${why}`);
    }
  }
  return (app) => clips.get(app) ?? clips.get('*');
}

/** `host:port`, IPv6 in brackets. */
export function joinAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Processes that serve clients; an origin has none but other nodes, whom the node itself serves. */
export function workersOf({ node }: Pick<Readonly<Config>, 'node'>): number {
  if (node.workers > 0) return node.workers;
  return node.role === 'edge' ? availableParallelism() : 1;
}

/** Other edges that take clients, the least loaded first. */
export function edgesBeside(name: string, nodes: readonly NodeRecord[]): NodeRecord[] {
  return nodes
    .filter(({ node, role, draining, weight = 1 }) => node !== name && role === 'edge' && !draining && weight > 0)
    .sort((one, other) => (other.weight ?? 0) - (one.weight ?? 0));
}
