/**
 * By what right a request may use the admin API: the token, or, where none is configured, coming from this machine. A web
 * page open on this machine is no right: what carries an Origin, or a Host that is not this machine's, is refused.
 */
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { ConfigError } from '@weir/contracts/errors';
import { equalSecrets } from '@weir/contracts/signed-name';

/** Rights there are. */
export type AdminRight = 'token' | 'loopback';

/** Who made a request. */
export type RightOf = (request: IncomingMessage) => AdminRight | undefined;

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** @throws ConfigError `EDGE_ADMIN_TOKEN` when others than this machine could come in without a token. */
export function rightOf({ host, token }: { host: string; token: string }): RightOf {
  if (token !== '') {
    return ({ headers }) => {
      const [, given] = /^Bearer (.+)$/i.exec(headers.authorization ?? '') ?? [];
      return given !== undefined && equalSecrets(given, token) ? 'token' : undefined;
    };
  }
  if (!isLoopback(host)) {
    throw new ConfigError(
      'EDGE_ADMIN_TOKEN',
      `admin.host is ${host}, so that others could use the admin API: set admin.token, or admin.host to 127.0.0.1.`,
    );
  }
  return ({ headers, socket }) => {
    const named = (headers.host ?? '').replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
    const isOurs = headers.origin === undefined && isLoopback(named) && isLoopback(socket.remoteAddress ?? '');
    return isOurs ? 'loopback' : undefined;
  };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || (isIP(host) !== 0 && LOOPBACK.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4'));
}
