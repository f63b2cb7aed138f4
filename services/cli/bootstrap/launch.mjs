/**
 * Brings a program of this repository to run: dependencies installed (install.mjs), the right Node chosen
 * (runtime.mjs), then the program itself, in this process when its Node will do, else in a child that shares the
 * terminal, gets the signals and hands back its exit status.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { install } from './install.mjs';
import { chooseNode } from './runtime.mjs';

/** Folder of the repository. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

const FORWARDED = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']);

/**
 * Runs `file` (relative to the repository) with `args`. Never throws: what is wrong is one sentence on stderr and exit
 * status 1.
 * @param {string} file
 * @param {string[]} args
 * @returns {Promise<void>}
 */
export async function launch(file, args) {
  try {
    await install(ROOT);
    const program = join(ROOT, file);
    const node = chooseNode(ROOT);
    process.env.NODE_COMPILE_CACHE ??= join(ROOT, 'node_modules', '.cache', 'weir', 'compile');
    if (node === process.execPath) await runHere(program, args);
    else await runThere(node, program, args);
  } catch (error) {
    process.stderr.write(`weir: ${error instanceof Error ? error.message : error} [BOOTSTRAP]\n`);
    process.exitCode = 1;
  }
}

/**
 * @param {string} program
 * @param {string[]} args
 */
async function runHere(program, args) {
  const nodeModule = await import('node:module');
  nodeModule.enableCompileCache?.(process.env.NODE_COMPILE_CACHE);
  process.argv = [process.execPath, program, ...args];
  await import(pathToFileURL(program).href);
}

/**
 * @param {string} node
 * @param {string} program
 * @param {string[]} args
 * @returns {Promise<void>}
 */
function runThere(node, program, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(node, [program, ...args], { stdio: 'inherit' });
    for (const signal of FORWARDED) process.on(signal, () => child.kill(signal));
    child.on('error', reject);
    child.on('exit', (status, signal) => {
      process.exitCode = status ?? 128 + (signal === null ? 0 : constants.signals[signal]);
      resolve();
    });
  });
}
