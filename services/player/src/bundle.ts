/**
 * Builds the player for browsers: modules and page in memory, on first use, in about 0.2 s. Nothing built is kept in the
 * repository or on the disk, so it is never stale. Before it: src/browser and page; after it: the edge's route /player/.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import { build, type Metafile } from 'esbuild';

/** One file as it is served. The buffers are shared by all answers: nobody writes to them. */
export interface PlayerFile {
  contentType: string;
  body: Buffer;
  gzipped: Buffer;
  /** Strong, with quotes: follows from the content, so every edge gives the same. */
  etag: string;
  /** The name holds a hash of the content: may be cached for ever. */
  immutable: boolean;
}

/** Files by their path under /player/, the page as ''. */
export type PlayerFiles = ReadonlyMap<string, PlayerFile>;

/** What the page is told. */
export interface PageSettings {
  /** Where it sends measurements; null = nowhere. */
  measure: { url: string; apiKey: string; samplingRate: number } | null;
}

const root = new URL('../', import.meta.url);
const compress = promisify(gzip);
/** Modules that other pages may import, under names that stay. */
const ENTRY_NAMES: ReadonlySet<string> = new Set(['page.js', 'weir-player.js']);

/** Bundles anew at each call; callers keep the result. @throws what esbuild says when the source cannot be built. */
export async function buildPlayer(settings: PageSettings): Promise<PlayerFiles> {
  const browser = new URL('src/browser/', root);
  const result = await build({
    entryPoints: ['page.ts', 'weir-player.ts'].map((name) => new URL(name, browser).pathname),
    outdir: new URL('dist/', root).pathname,
    absWorkingDir: root.pathname,
    bundle: true,
    splitting: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
    legalComments: 'eof',
    metafile: true,
    write: false,
    logLevel: 'silent',
  });
  const files = new Map<string, PlayerFile>();
  for (const { path, contents } of result.outputFiles) {
    const name = basename(path);
    files.set(name, await fileOf('text/javascript; charset=utf-8', Buffer.from(contents), !ENTRY_NAMES.has(name)));
  }
  const css = await readFile(new URL('page/page.css', root));
  files.set('page.css', await fileOf('text/css; charset=utf-8', css, false));
  const types = await readFile(new URL('weir-player.d.ts', root));
  files.set('weir-player.d.ts', await fileOf('application/typescript; charset=utf-8', types, false));
  const html = await readFile(new URL('page/index.html', root), 'utf8');
  files.set(
    '',
    await fileOf('text/html; charset=utf-8', Buffer.from(fillPage(html, settings, result.metafile)), false),
  );
  return files;
}

/** Puts the settings and the preloads into the page, so that nothing is asked for one after the other. */
function fillPage(html: string, settings: PageSettings, metafile: Metafile): string {
  const config = JSON.stringify(settings).replaceAll('<', '\\u003c');
  const preloads = earlyChunks(metafile).map((name) => `<link rel="modulepreload" href="${name}">`);
  return html
    .replace('<!--preload-->', () => preloads.join('\n    '))
    .replace('id="config"></script>', () => `id="config">${config}</script>`);
}

/** Needed for the first frame though loaded on demand: fetched together with the page. */
const EARLY = 'src/browser/playback/flv-playback.ts';

/** Chunks the page needs for its first frame: its static imports, and those of the playback engine. */
function earlyChunks({ outputs }: Metafile): string[] {
  const all = Object.entries(outputs);
  const roots = all.filter(([path, { entryPoint }]) => basename(path) === 'page.js' || entryPoint === EARLY);
  const names = roots.flatMap(([path, { imports }]) => [
    ...(basename(path) === 'page.js' ? [] : [path]),
    ...imports.filter(({ kind }) => kind === 'import-statement').map((one) => one.path),
  ]);
  return [...new Set(names.map((path) => basename(path)))];
}

async function fileOf(contentType: string, body: Buffer, immutable: boolean): Promise<PlayerFile> {
  const gzipped = await compress(body, { level: constants.Z_BEST_COMPRESSION });
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  return { contentType, body, gzipped, etag, immutable };
}
