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
/** The module that other pages import, under a name that stays. */
const MODULE = 'weir-player.js';
/** Needed for the first frame though loaded on demand: fetched together with the page. */
const EARLY = 'src/browser/playback/flv-playback.ts';

/** Bundles anew at each call; callers keep the result. @throws what esbuild says when the source cannot be built. */
export async function buildPlayer(settings: PageSettings): Promise<PlayerFiles> {
  // Apart, so that the page's script is whole: what both load on demand has the same content, so the same name.
  const [page, embedded] = await Promise.all([bundle('page.ts'), bundle('weir-player.ts')]);
  const files = new Map<string, PlayerFile>();
  const scripts = new Map([...page.scripts, ...embedded.scripts]);
  const script = scripts.get('page.js') ?? '';
  scripts.delete('page.js');
  for (const [name, text] of scripts) {
    files.set(name, await fileOf('text/javascript; charset=utf-8', Buffer.from(text), name !== MODULE));
  }
  const types = await readFile(new URL('weir-player.d.ts', root));
  files.set('weir-player.d.ts', await fileOf('application/typescript; charset=utf-8', types, false));
  const [html, css] = await Promise.all(
    ['page/index.html', 'page/page.css'].map((path) => readFile(new URL(path, root), 'utf8')),
  );
  const filled = fillPage(html ?? '', { css: css ?? '', script, preloads: earlyChunks(page.metafile), settings });
  files.set('', await fileOf('text/html; charset=utf-8', Buffer.from(filled), false));
  return files;
}

/** One module of src/browser and what it loads on demand; scripts by name. */
async function bundle(entry: string): Promise<{ scripts: Map<string, string>; metafile: Metafile }> {
  const { outputFiles, metafile } = await build({
    entryPoints: [new URL(`src/browser/${entry}`, root).pathname],
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
  return { scripts: new Map(outputFiles.map(({ path, text }) => [basename(path), whole(text)])), metafile };
}

/**
 * Without the import of a chunk that nothing is taken from: esbuild keeps it for what the chunk might do, but chunks hold
 * helpers of its own alone, and fetching one would stand before the first connection.
 */
function whole(script: string): string {
  return script.replace(/^import"\.\/chunk-\w+\.js";/, '');
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

/** Chunks the page needs for its first frame: the playback engine, and the static imports of both. */
function earlyChunks({ outputs }: Metafile): string[] {
  const all = Object.entries(outputs).map(([path, output]) => ({ name: basename(path), ...output }));
  const engine = all.filter(({ entryPoint }) => entryPoint === EARLY);
  const imported = [...all.filter(({ name }) => name === 'page.js'), ...engine]
    .flatMap(({ imports }) => imports)
    .filter(({ kind }) => kind === 'import-statement')
    .map(({ path }) => basename(path));
  return [...new Set([...engine.map(({ name }) => name), ...imported])];
}

async function fileOf(contentType: string, body: Buffer, immutable: boolean): Promise<PlayerFile> {
  const gzipped = await compress(body, { level: constants.Z_BEST_COMPRESSION });
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  return { contentType, body, gzipped, etag, immutable };
}
