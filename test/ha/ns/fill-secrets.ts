/** Fills secrets into a rendered file, as install.sh does on a machine. A file that is not there is left alone. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

export function fillSecrets(path: string, secretsPath: string): void {
  if (!existsSync(path)) return;
  const lines = readFileSync(secretsPath, 'utf8').matchAll(/^(\w+)=(.*)$/gm);
  const secrets = new Map([...lines].map((match) => [match[1], match[2] ?? '']));
  const text = readFileSync(path, 'utf8');
  writeFileSync(
    path,
    text.replaceAll(/@secret:(\w+)@/g, (_, name: string) => secrets.get(name) ?? ''),
  );
}
