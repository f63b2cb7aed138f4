/** Makes the secrets a topology needs: random, kept when they are there already, in a file only its owner reads. */
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Topology } from '@weir/contracts/topology/schema';
import { renderTopology } from './render.ts';

const SECRET_BYTES = 24;

/** Adds what is missing to the secrets file `path` (NAME=value lines), and says which names were added. */
export function writeSecrets(topology: Topology, path: string): { added: string[]; kept: string[] } {
  const present = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const known = new Set([...present.matchAll(/^([A-Z][A-Z0-9_]*)=./gm)].map((match) => match[1]));
  const needed = [
    ...new Set(renderTopology(topology).flatMap((machine) => machine.secrets.map(({ name }) => name))),
  ].sort();
  const added = needed.filter((name) => !known.has(name));
  if (added.length > 0) {
    const lines = added.map((name) => `${name}=${randomBytes(SECRET_BYTES).toString('base64url')}\n`).join('');
    const separator = present === '' || present.endsWith('\n') ? '' : '\n';
    writeFileSync(`${path}.new`, present + separator + lines, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }
  if (existsSync(path)) chmodSync(path, 0o600);
  return { added, kept: needed.filter((name) => known.has(name)) };
}
