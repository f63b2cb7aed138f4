/**
 * Prepares and runs one suite in the virtual machine: renders the test's topology, boots, reads the rows back. Before it:
 * part-lvs.ts and part-media.ts; after it: boot.ts and, in the guest, the suite.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadTopology } from '@weir/contracts/topology/load';
import type { Topology } from '@weir/contracts/topology/schema';
import { renderFolder } from '@weir/infra/render/folder';
import { writeSecrets } from '@weir/infra/render/secrets';
import { writeFolder } from '@weir/infra/render/write';
import { type DebianProgram, whyWithout } from '@weir/test/harness/debian-tools';
import { build } from 'esbuild';
import { bootGuest, type GuestRun, makeKernel, nodeInGuest, REPOSITORY_IN_GUEST } from './boot.ts';
import type { Row } from './results.ts';

const repository = fileURLToPath(new URL('../../../', import.meta.url)).replace(/\/$/, '');
/** The kernel and what was compiled stay for the next run. */
const work = join(repository, 'node_modules', '.cache', 'weir-ha');
/** The guest's share of a busy host may be small; WEIR_HA_TIMEOUT_MS gives it longer. run.ts says when all must be done. */
const TIMEOUT_MS = Number(process.env.WEIR_HA_TIMEOUT_MS ?? 330_000);
const DEADLINE_MS = Number(process.env.WEIR_HA_DEADLINE_MS ?? Number.POSITIVE_INFINITY);
/** Below this share of the time the host had no core for the guest; one that hangs with nothing to do keeps pace. */
const STARVED_SHARE = 0.8;
const NEEDED: DebianProgram[] = [
  'qemu-system-x86_64',
  'keepalived',
  'ipvsadm',
  'nft',
  'busybox',
  'depmod',
  'cpio',
  'curl',
];

/** Why no guest can be booted here, after saying so loudly; undefined when one can. */
export async function whyNoGuest(more: readonly DebianProgram[] = []): Promise<string | undefined> {
  const why = (await whyWithout([...NEEDED, ...more])) ?? makeKernel(join(work, 'kernel'));
  if (why) process.stderr.write(`\n*** SKIPPED: test/ha in the virtual machine: ${why} ***\n\n`);
  return why;
}

/** Whether a guest did not come to its end because the host had no time for it: that shows nothing, for or against. */
export function isStarved(run: GuestRun): boolean {
  return run.isTimedOut && run.guestMs < STARVED_SHARE * run.tookMs;
}

/** Says so loudly; the reason of a skip. */
export function tellStarved(what: string, { guestMs, tookMs }: GuestRun): string {
  const [passed, given] = [guestMs, tookMs].map((ms) => Math.round(ms / 1_000));
  const reason = `the host is too busy: ${passed} s have passed in the guest in ${given} s; rows above are all there is`;
  process.stderr.write(`\n*** NOT SHOWN TO THE END: ${what}: ${reason} ***\n\n`);
  return reason;
}

/** How to run a suite. */
export interface SuiteOptions {
  /** File of this folder, without its ending. */
  suite: string;
  /** Renderings by their folder in /mnt: each a change of the test's topology. */
  renderings: Record<string, (topology: Topology) => Topology>;
  /** Puts further files into the folder that is /mnt in the guest. */
  prepare?: (out: string) => Promise<void>;
  shift?: number;
  memoryMb?: number;
}

/** Runs a suite to its end, or to the end of its time. */
export async function runSuite(options: SuiteOptions): Promise<{ run: GuestRun; rows: Row[] }> {
  const { suite, renderings, prepare, ...machine } = options;
  const out = join(work, suite);
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const { topology } = loadTopology(fileURLToPath(new URL('../topology.yaml', import.meta.url)));
  topology.software.path = REPOSITORY_IN_GUEST;
  const folders = Object.entries(renderings).map(([name, change]) => {
    const folder = join(out, name);
    const changed = change(structuredClone(topology));
    writeFolder(folder, renderFolder(changed));
    writeSecrets(changed, join(folder, 'secrets.env'));
    return folder;
  });
  await prepare?.(out);
  try {
    const run = await bootGuest({
      kernel: join(work, 'kernel'),
      suite: `${suite}.js`,
      out,
      timeoutMs: Math.max(1_000, Math.min(TIMEOUT_MS, DEADLINE_MS - Date.now())),
      ...machine,
    });
    const results = join(out, 'results.json');
    return { run, rows: existsSync(results) ? (JSON.parse(readFileSync(results, 'utf8')) as Row[]) : [] };
  } finally {
    for (const folder of folders) rmSync(join(folder, 'secrets.env'), { force: true });
  }
}

/** Where the guest finds Weir put together by {@link bundle}; what `software.path` of its topology is. */
export const BUNDLED = '/mnt/weir';

/**
 * Puts Weir and the suite's clients together into few files, which the guest reads ten times faster than a thousand, and
 * runs `lines` on the host under the guest's paths, so that what Node compiles of them lies in /mnt/compile-cache.
 * @param lines shell lines that end by themselves; `$WEIR` runs Weir.
 */
export async function bundle(out: string, entries: Record<string, string>, lines: readonly string[]): Promise<void> {
  const source = join(out, 'weir/services/cli/src');
  await build({
    entryPoints: { weir: join(repository, 'services/cli/src/main.ts'), ...entries },
    outdir: source,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    // the one-machine store, the player's builder and browsers do not run in the guest
    external: ['chdb', 'esbuild', 'playwright-core'],
    banner: {
      js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);",
    },
    logLevel: 'error',
  });
  writeFileSync(join(source, 'main.ts'), "import './weir.js';\n");
  cpSync(join(repository, 'services/cli/package.json'), join(out, 'weir/services/cli/package.json'));
  // units start Node out of the dependencies
  mkdirSync(join(out, 'weir/node_modules/.bin'), { recursive: true });
  symlinkSync(nodeInGuest(), join(out, 'weir/node_modules/.bin/node'));
  const mounts = `mount --bind ${repository} ${REPOSITORY_IN_GUEST} && mount --bind ${out} /mnt`;
  const names = `export NODE_COMPILE_CACHE=/mnt/compile-cache NODE=${nodeInGuest()} WEIR="${nodeInGuest()} ${BUNDLED}/services/cli/src/main.ts"`;
  const script = `${mounts} && ${names}\n${lines.join('\n')}`;
  const result = spawnSync('unshare', ['-m', '--propagation', 'private', 'sh', '-c', script], { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`compiling ahead failed: ${result.stdout}${result.stderr}`);
}
