/** Load goes to this machine only, unless somebody says that they may. */
import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { errorMessage, WeirError } from '@weir/contracts/errors';

/**
 * Resolves `host` and checks that every address is a loopback one, or that `mayAnywhere`.
 * @throws WeirError `LOAD_HOST_UNKNOWN`, `LOAD_NOT_LOOPBACK`.
 */
export async function loadHost(host: string, mayAnywhere: boolean): Promise<string> {
  const loopback = new BlockList();
  loopback.addSubnet('127.0.0.0', 8, 'ipv4');
  loopback.addAddress('::1', 'ipv6');
  const found = await resolve(host);
  const isOurs = found.every(({ address, family }) => loopback.check(address, family === 6 ? 'ipv6' : 'ipv4'));
  if (!isOurs && !mayAnywhere) {
    throw new WeirError(
      'LOAD_NOT_LOOPBACK',
      `${host} is not this machine: load on other people's servers is an attack. If it is yours, add --yes-i-may.`,
    );
  }
  return found[0]?.address ?? host;
}

async function resolve(host: string): Promise<{ address: string; family: number }[]> {
  const family = isIP(host);
  if (family !== 0) return [{ address: host, family }];
  try {
    return await lookup(host, { all: true });
  } catch (error) {
    throw new WeirError('LOAD_HOST_UNKNOWN', `The host ${host} cannot be found: ${errorMessage(error)}.`, {
      cause: error,
    });
  }
}
