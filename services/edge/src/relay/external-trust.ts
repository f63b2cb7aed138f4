/**
 * Whose certificates are trusted of servers that are no members, for rtmps:// in `relay.external` and `relay.push`. Before
 * it: the configuration; after it: the links' clients.
 */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type ConnectionOptions, getCACertificates } from 'node:tls';
import type { Config } from '@weir/contracts/config/schema';
import { ConfigError, errorMessage } from '@weir/contracts/errors';

/** What a TLS client is given; empty = what Node trusts by itself. */
export type ExternalTrust = Pick<ConnectionOptions, 'ca' | 'rejectUnauthorized'>;

const KEY = 'relay.externalCaFile';

/** The CAs of `relay.externalCaFile` beside those that Node brings along. @throws ConfigError `EDGE_EXTERNAL_CA`. */
export function externalTrust(relay: Pick<Config['relay'], 'externalCaFile' | 'externalVerify'>): ExternalTrust {
  const verify = relay.externalVerify ? {} : { rejectUnauthorized: false };
  if (relay.externalCaFile === '') return verify;
  return { ...verify, ca: [...getCACertificates('default'), readCertificates(relay.externalCaFile)] };
}

/** TLS ignores a file without a certificate: nobody would know why nothing is trusted. */
function readCertificates(path: string): string {
  try {
    const pem = readFileSync(path, 'utf8');
    new X509Certificate(pem);
    return pem;
  } catch (error) {
    const message = `${KEY} ${path} holds no certificate that can be read: ${errorMessage(error)}.`;
    throw new ConfigError('EDGE_EXTERNAL_CA', message, { cause: error });
  }
}
