/** Outside programs out of real Debian packages, without root. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ensure, findProgram } from '@weir/cli/ensure/ensure';

const root = mkdtempSync(join(tmpdir(), 'weir-apt-test-'));
after(() => rmSync(root, { recursive: true, force: true }));

const APT_FOLDERS = ['/usr/bin', '/bin'];
const apt = findProgram('apt-get', APT_FOLDERS);
const skip =
  apt === undefined
    ? 'no apt-get on this system'
    : isKnownToApt()
      ? false
      : 'apt knows no nats-server (no package lists?)';

describe('ensure on a Debian-like system', () => {
  it('unpacks nats-server without root, once, also when several ask at the same time', { skip }, async () => {
    const said: string[] = [];
    const options = {
      toolsDir: join(root, 'tools'),
      say: (sentence: string) => said.push(sentence),
      // As a user whose path lacks the folder nats-server is installed in.
      machine: { searchPath: APT_FOLDERS, isRoot: false },
    };
    const paths = await Promise.all([ensure('nats-server', options), ensure('nats-server', options)]);
    assert.deepEqual(paths, [join(root, 'tools', 'nats-server'), join(root, 'tools', 'nats-server')]);
    assert.match(execFileSync(paths[0] as string, ['--version'], { encoding: 'utf8' }), /nats-server: v/);
    assert.equal(said.filter((sentence) => sentence.includes('fetching the Debian package')).length, 1);
    assert.ok(existsSync(join(root, 'tools', 'apt.lock')));
  });
});

function isKnownToApt(): boolean {
  try {
    return /Candidate: \d/.test(
      execFileSync('apt-cache', ['policy', 'nats-server'], { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } }),
    );
  } catch {
    return false;
  }
}
