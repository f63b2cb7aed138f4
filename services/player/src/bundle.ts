/**
 * Builds the player for browsers: modules and page in memory, on first use, in about 0.2 s. Nothing built is kept in the
 * repository or on the disk, so it is never stale. Before it: src/browser and page; after it: the edge's route /player/.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild';

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
/** The module that other pages import, under a name that stays. */
const MODULE = 'weir-player.js';
/** Needed for the first frame though loaded on demand: fetched together with the page. */
const EARLY = 'src/browser/playback/flv-playback.ts';

/** Bundles anew at each call; callers keep the result. @throws what esbuild says when the source cannot be built. */
export async function buildPlayer(settings: PageSettings): Promise<PlayerFiles> {
  const { scripts, outputs } = await bundleModule();
  const files = new Map<string, PlayerFile>();
  for (const [name, text] of scripts) {
    files.set(name, await fileOf('text/javascript; charset=utf-8', Buffer.from(text), name !== MODULE));
  }
  const types = await readFile(new URL('weir-player.d.ts', root));
  files.set('weir-player.d.ts', await fileOf('application/typescript; charset=utf-8', types, false));
  const [html, css, script] = await Promise.all([
    readFile(new URL('page/index.html', root), 'utf8'),
    readFile(new URL('page/page.css', root), 'utf8'),
    bundlePage(outputs),
  ]);
  const page = fillPage(html, { css, script, preloads: earlyChunks(outputs), settings });
  files.set('', await fileOf('text/html; charset=utf-8', Buffer.from(page), false));
  return files;
}

const SHARED: BuildOptions = {
  outdir: new URL('dist/', root).pathname,
  absWorkingDir: root.pathname,
  bundle: true,
  format: 'esm',
  target: 'es2022',
  minify: true,
  legalComments: 'eof',
  write: false,
  logLevel: 'silent',
};
const sourceOf = (name: string) => new URL(`src/browser/${name}`, root).pathname;

/** The module, and in chunks what it loads on demand; scripts by name. */
async function bundleModule(): Promise<{ scripts: Map<string, string>; outputs: Metafile['outputs'] }> {
  const entryPoints = [sourceOf('weir-player.ts')];
  const result = await build({ ...SHARED, entryPoints, splitting: true, metafile: true });
  const scripts = result.outputFiles?.map(({ path, text }) => [basename(path), whole(text)] as const);
  return { scripts: new Map(scripts), outputs: result.metafile.outputs };
}

/**
 * Without the import of a chunk that nothing is taken from: esbuild keeps it for what the chunk might do, but chunks hold
 * helpers of its own alone, and fetching one would stand before the first connection.
 */
function whole(script: string): string {
  return script.replace(/^import"\.\/chunk-\w+\.js";/, '');
}

/** The page's script in one piece; what it loads on demand are the module's chunks. */
async function bundlePage(outputs: Metafile['outputs']): Promise<string> {
  const chunks: Plugin = {
    name: 'chunks of the module',
    setup({ onResolve }) {
      onResolve({ filter: /\.ts$/ }, ({ kind, path, resolveDir }) => {
        if (kind !== 'dynamic-import') return undefined;
        const source = relative(root.pathname, resolve(resolveDir, path));
        return { path: `./${chunkOf(source, outputs)}`, external: true };
      });
    },
  };
  const result = await build({ ...SHARED, entryPoints: [sourceOf('page.ts')], plugins: [chunks] });
  return result.outputFiles?.[0]?.text ?? '';
}

/** Name of the chunk that begins with this source file. */
function chunkOf(source: string, outputs: Metafile['outputs']): string {
  const found = Object.entries(outputs).find(([, { entryPoint }]) => entryPoint === source);
  if (!found) throw new Error(`The player has no chunk for ${source}: its module does not load it.`);
  return basename(found[0]);
}

/** Puts looks, script, settings and preloads into the page: the stream is asked for as soon as the page is there. */
function fillPage(
  html: string,
  page: { css: string; script: string; preloads: readonly string[]; settings: PageSettings },
): string {
  const config = JSON.stringify(page.settings).replaceAll('<', '\\u003c');
  const preloads = page.preloads.map((name) => `<link rel="modulepreload" href="${name}">`);
  const script = page.script.replaceAll('</script', '<\\/script');
  return html
    .replace('<!--preload-->', () => preloads.join('\n    '))
    .replace('<!--css-->', () => `<style>\n${page.css}</style>`)
    .replace('id="config"></script>', () => `id="config">${config}</script>`)
    .replace('<!--script-->', () => `<script type="module">${script}</script>`);
}

/** Chunks the page needs for its first frame: the playback engine and what it imports. */
function earlyChunks(outputs: Metafile['outputs']): string[] {
  const engine = chunkOf(EARLY, outputs);
  const imports = Object.entries(outputs).find(([path]) => basename(path) === engine)?.[1].imports ?? [];
  const needed = imports.filter(({ kind }) => kind === 'import-statement').map(({ path }) => basename(path));
  return [engine, ...needed];
}

async function fileOf(contentType: string, body: Buffer, immutable: boolean): Promise<PlayerFile> {
  const gzipped = await compress(body, { level: constants.Z_BEST_COMPRESSION });
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  return { contentType, body, gzipped, etag, immutable };
}
