/**
 * What a node's configuration says in more than one word: its name, the origins it knows, addresses. Before it: the
 * configuration; after it: main.ts.
 */
import { hostname } from 'node:os';
import type { Config } from '@weir/contracts/config/schema';
import { ConfigError } from '@weir/contracts/errors';
import { isNodeName } from '@weir/contracts/nats/names';
import { type ConfiguredOrigin, parseAddress } from './relay/route.ts';

/** The node's name: configured, else the host's. @throws ConfigError `EDGE_NODE_NAME`. */
export function nodeName(config: Readonly<Config>): string {
  const name = config.node.name === '' ? (hostname().split('.')[0] ?? '') : config.node.name;
  if (isNodeName(name)) return name;
  throw new ConfigError('EDGE_NODE_NAME', `"${name}" is no node name: set node.name to letters, digits, - and _.`);
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

/** `host:port`, IPv6 in brackets. */
export function joinAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
