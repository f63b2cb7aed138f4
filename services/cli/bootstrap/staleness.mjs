/**
 * Decides whether node_modules is what package-lock.json says, from two small files and no walk through the folders:
 * the stamp that install.mjs leaves, or npm's own record of what it installed (for those who ran npm themselves).
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** File with the digest of the package-lock.json that was installed. */
export const STAMP = join('node_modules', '.cache', 'weir', 'installed');

/**
 * @typedef {{ version?: string, resolved?: string, integrity?: string, link?: boolean, optional?: boolean,
 *   dev?: boolean, devOptional?: boolean, peer?: boolean, os?: string[], cpu?: string[], libc?: string[] }} Package
 */

/**
 * @param {string} root folder of the repository
 * @returns {string} digest of package-lock.json
 */
export function lockDigest(root) {
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
}

/**
 * Whether the dependencies of package-lock.json are installed.
 * @param {string} root folder of the repository
 * @returns {boolean}
 */
export function isInstalled(root) {
  const record = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(record)) return false; // npm writes it last: an interrupted installation has none
  const stamp = join(root, STAMP);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lockDigest(root)) return true;
  return sameVersions(packagesOf(join(root, 'package-lock.json')), packagesOf(record));
}

/**
 * Whether everything `locked` asks for on this machine is in `installed` in the very version.
 * @param {Record<string, Package>} locked packages of package-lock.json
 * @param {Record<string, Package>} installed packages of node_modules/.package-lock.json
 * @returns {boolean}
 */
export function sameVersions(locked, installed) {
  return Object.entries(locked).every(([path, wanted]) => {
    if (!path.includes('node_modules/')) return true; // the workspaces themselves
    const found = installed[path];
    if (found === undefined) return wanted.optional === true && !isForHere(wanted);
    return found.version === wanted.version && found.integrity === wanted.integrity && found.link === wanted.link;
  });
}

/** @param {Package} wanted */
function isForHere(wanted) {
  return matches(wanted.os, process.platform) && matches(wanted.cpu, process.arch) && wanted.libc?.[0] !== 'musl';
}

/**
 * @param {string[] | undefined} allowed
 * @param {string} here
 */
function matches(allowed, here) {
  return allowed === undefined || allowed.includes(here);
}

/**
 * @param {string} path
 * @returns {Record<string, Package>}
 */
function packagesOf(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages ?? {};
  } catch {
    return {}; // cut short: then nothing agrees and it is installed anew
  }
}
