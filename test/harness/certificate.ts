/** Certificates for tests of TLS, made by openssl: self-signed, for localhost and 127.0.0.1, in a folder that is removed. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** A certificate on disk. */
export interface TestCertificate {
  certFile: string;
  keyFile: string;
  /** PEM, to trust it. */
  readonly pem: string;
  /** Puts another one with its own key into the same files. */
  renew(): Promise<void>;
  remove(): void;
}

/** Makes one. Needs openssl on the PATH. */
export async function makeCertificate(): Promise<TestCertificate> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-tls-'));
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const renew = async () => {
    await promisify(execFile)('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
      ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
      ...['-keyout', keyFile, '-out', certFile],
    ]);
  };
  await renew();
  return {
    certFile,
    keyFile,
    get pem() {
      return readFileSync(certFile, 'utf8');
    },
    renew,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
