/** Rules about errors: whoever meets a code finds it in the documents of the part that throws it, and no code that is gone. */
import type { RepositoryFile } from './repository.ts';

const TABLE = 'services/edge/errors.md';
const SOURCES = /^services\/edge\/src\/.*(?<!\.test)\.ts$/;
const CODE = /'((?:EDGE|CLIP)_[A-Z_]+)'/g;
/** Codes put together of a part and a tail. */
const FAULT = /new ProtocolError\('([A-Z_]+)'/g;
const PORT_TAKEN = 'EDGE_PORT_TAKEN';

/**
 * One sentence per code of the edge that its table lacks or has too much.
 * @param reasons reasons for which connections end; the table has those too.
 */
export function errorViolations(files: readonly RepositoryFile[], reasons: readonly string[]): string[] {
  const codes = new Set([PORT_TAKEN]);
  for (const { path, text } of files) {
    if (!SOURCES.test(path)) continue;
    for (const [, code = ''] of text.matchAll(CODE)) codes.add(code);
    for (const [, fault = ''] of text.matchAll(FAULT)) codes.add(`EDGE_RTMP_${fault}`);
  }
  const table = files.find(({ path }) => path === TABLE)?.text ?? '';
  const rows = table.split('\n').filter((line) => line.startsWith('| `'));
  const told = new Set(
    rows.flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, of]) => of)),
  );
  const known = [...codes, ...reasons];
  return [
    ...known.filter((name) => !told.has(name)).map((name) => `${TABLE} lacks ${name}`),
    ...[...told].filter((name) => !known.includes(name ?? '')).map((name) => `${TABLE} has ${name}, which is gone`),
  ];
}
