/** Weir in few files, for machines whose emulated core reads a thousand slowly. */
import { cpSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const repository = fileURLToPath(new URL('../../../', import.meta.url)).replace(/\/$/, '');

/** Puts Weir together into `folder`, which then stands for `software.path`: rendered commands run it. */
export async function bundle(folder: string): Promise<void> {
  const source = join(folder, 'services/cli/src');
  await build({
    entryPoints: { weir: join(repository, 'services/cli/src/main.ts') },
    outdir: source,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    // the one-machine store, the player's builder and browsers do not run there
    external: ['chdb', 'esbuild', 'playwright-core'],
    banner: {
      js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);",
    },
    logLevel: 'error',
  });
  writeFileSync(join(source, 'main.ts'), "import './weir.js';\n");
  cpSync(join(repository, 'services/cli/package.json'), join(folder, 'services/cli/package.json'));
  // units start Node out of the dependencies
  mkdirSync(join(folder, 'node_modules/.bin'), { recursive: true });
  symlinkSync(nodeInThere(), join(folder, 'node_modules/.bin/node'));
}

/** The Node that runs this, as a director sees it: the repository is at /srv there (director.sh). */
function nodeInThere(): string {
  const node = realpathSync(process.execPath);
  const inRepository = relative(repository, node);
  return inRepository.startsWith('..') ? node : join('/srv', inRepository);
}
