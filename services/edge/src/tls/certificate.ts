/**
 * The certificate of RTMPS and HTTPS: read from its files at the start and again on a reload. New handshakes get the new
 * one; connections that are open keep theirs and notice nothing. Before it: the configuration; after it: the listeners.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type Server } from 'node:tls';
import { ConfigError, errorCode, errorMessage } from '@weir/contracts/errors';

/** Where the certificate lies, see config `tls`. */
export interface CertificateFiles {
  certFile: string;
  keyFile: string;
}

/** What a TLS server is given. */
export interface CertificateContext {
  cert: Buffer;
  key: Buffer;
  minVersion: 'TLSv1.2';
}

/** One per node. */
export class Certificate {
  readonly #servers = new Set<Pick<Server, 'setSecureContext'>>();
  #context: CertificateContext;

  /** @throws ConfigError `EDGE_TLS` when a file cannot be read, or certificate and key do not belong together. */
  constructor(files: CertificateFiles) {
    this.#context = readContext(files);
  }

  /** What new listeners start with. */
  get context(): CertificateContext {
    return this.#context;
  }

  /** `server` gets every later certificate as well. */
  attach(server: Pick<Server, 'setSecureContext'>): void {
    this.#servers.add(server);
  }

  /** Reads the files again and returns what puts them in force. @throws ConfigError `EDGE_TLS`. */
  prepare(files: CertificateFiles): () => void {
    const context = readContext(files);
    return () => {
      this.#context = context;
      for (const server of this.#servers) server.setSecureContext(context);
    };
  }
}

/** What a failed TLS handshake counts as: other codes than OpenSSL's mean that it left, or said nothing until its time was up. */
export function handshakeRefusal(error: unknown): 'bad-handshake' | 'silent' {
  return errorCode(error)?.startsWith('ERR_SSL') ? 'bad-handshake' : 'silent';
}

function readContext({ certFile, keyFile }: CertificateFiles): CertificateContext {
  const cert = readPem(certFile, 'tls.certFile');
  const key = readPem(keyFile, 'tls.keyFile');
  let fits: boolean;
  try {
    fits = new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
    if (fits) createSecureContext({ cert, key });
  } catch (error) {
    const why = errorMessage(error);
    throw new ConfigError('EDGE_TLS', `${certFile} or ${keyFile} cannot be used: ${why}.`, { cause: error });
  }
  if (!fits) {
    throw new ConfigError('EDGE_TLS', `The key in ${keyFile} is not the one of the certificate in ${certFile}.`);
  }
  return { cert, key, minVersion: 'TLSv1.2' };
}

function readPem(path: string, key: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new ConfigError('EDGE_TLS', `${key} cannot be read: ${errorMessage(error)}.`, { cause: error });
  }
}
