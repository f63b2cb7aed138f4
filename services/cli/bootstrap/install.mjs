/**
 * Installs the locked dependencies when they are missing or not those of package-lock.json. Two starts at once do not
 * both install: the second waits for the first. Runs on any Node from 18 on, before any dependency exists.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { withInstallLock } from './install-lock.mjs';
import { isInstalled, lockDigest, STAMP } from './staleness.mjs';

const PROGRESS_MS = 3000;
/** When no package more is unpacked, a line so often says that it still works. */
const STILL_MS = 30_000;

/**
 * Makes node_modules what package-lock.json says. At once when it already is.
 * @param {string} root folder of the repository
 * @param {(root: string) => Promise<void>} [run] stands in for npm in tests
 * @returns {Promise<boolean>} whether anything was installed by this call
 * @throws {Error} one sentence when npm is missing or fails
 */
export async function install(root, run = runNpmInstall) {
  if (isInstalled(root)) return false;
  return withInstallLock(join(root, '.weir-install.lock'), say, async () => {
    if (isInstalled(root)) return false;
    await run(root);
    const stamp = join(root, STAMP);
    mkdirSync(dirname(stamp), { recursive: true });
    writeFileSync(stamp, lockDigest(root));
    return true;
  });
}

/**
 * `npm install --no-save`: the versions of package-lock.json, which stays as it is. Not `npm ci`, which refuses a lock file
 * that does not list the optional binaries of systems whose packages a registry lacks. No dependency needs its install
 * script, so none is run. All output goes to stderr: stdout belongs to the program that comes after.
 * @param {string} root
 * @returns {Promise<void>}
 */
async function runNpmInstall(root) {
  const started = Date.now();
  const wanted = Object.keys(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages).length;
  say(`installing the ${wanted} locked dependencies (npm install, once; about half a minute) …`);
  const progress = setInterval(
    progressTeller(started, () => countFolders(join(root, 'node_modules'))),
    PROGRESS_MS,
  );
  try {
    await npm(root, ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
  } finally {
    clearInterval(progress);
  }
  say(`dependencies installed in ${Math.round((Date.now() - started) / 1000)} s.`);
}

/**
 * A function that says how far it is: when there is something new, else now and then.
 * @param {number} startedMs
 * @param {() => number} count packages there are now
 * @param {(sentence: string) => void} [tell]
 * @param {() => number} [now] ms
 */
export function progressTeller(startedMs, count, tell = say, now = Date.now) {
  let told = -1;
  let toldMs = startedMs;
  return () => {
    const packages = count();
    if (packages === told && now() - toldMs < STILL_MS) return;
    told = packages;
    toldMs = now();
    tell(`… ${Math.round((toldMs - startedMs) / 1000)} s, ${packages} packages unpacked`);
  };
}

/**
 * @param {string} root
 * @param {string[]} args
 * @returns {Promise<void>}
 */
function npm(root, args) {
  const { npm_execpath: script, npm_node_execpath: node } = process.env;
  // When npm started us, the very same npm is used, run by the Node that ran it.
  const own = script !== undefined && node !== undefined && /^np[mx]-cli\.js$/.test(basename(script));
  const command = own ? node : 'npm';
  const before = own ? [script.replace(/npx-cli\.js$/, 'npm-cli.js')] : [];
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...before, ...args], { cwd: root, stdio: ['ignore', 2, 2] });
    child.on('error', (error) =>
      reject(new Error(`Cannot run npm (${error.message}): install Node with npm from https://nodejs.org.`)),
    );
    child.on('exit', (status, signal) => {
      if (status === 0) resolve();
      else
        reject(new Error(`npm install ended with ${signal ?? `status ${status}`} in ${root}; what it said is above.`));
    });
  });
}

/** @param {string} folder */
function countFolders(folder) {
  try {
    const names = readdirSync(folder).filter((name) => !name.startsWith('.'));
    return names.reduce((sum, name) => sum + (name.startsWith('@') ? readdirSync(join(folder, name)).length : 1), 0);
  } catch {
    return 0; // not there yet, or npm is just moving it
  }
}

/** @param {string} sentence */
function say(sentence) {
  process.stderr.write(`weir: ${sentence}\n`);
}
