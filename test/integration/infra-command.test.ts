/** `weir infra` as a person types it: what it says, its exit status, and what it refuses. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { MachineChange } from '@weir/infra/render/diff';
import { weir } from './cli-process.ts';

const example = fileURLToPath(new URL('../../infra/topology.example.yaml', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'weir-infra-'));
const infra = (...args: string[]) => weir(['infra', ...args], { cwd: work });
const changed = join(work, 'changed.yaml');

before(async () => {
  const text = readFileSync(example, 'utf8');
  writeFileSync(
    changed,
    text.replace('group: fra-1, weight: 2', 'group: fra-1, weight: 4').replace(/^ {2}ams-e2.*\n/m, ''),
  );
  assert.equal((await infra('render', example, '--out', 'out')).status, 0);
});
after(() => rmSync(work, { recursive: true, force: true }));

describe('weir infra', () => {
  it('tells by its status whether rendering again would change anything, and what, also as JSON', async () => {
    const same = await infra('diff', example, '--out', 'out');
    assert.deepEqual([same.status, same.stdout], [0, 'No machine changes.\n']);
    const { status, stdout } = await infra('diff', changed, '--out', 'out', '--json');
    const changes = JSON.parse(stdout) as MachineChange[];
    assert.equal(status, 3);
    assert.equal(changes.find(({ machine }) => machine === 'ams-e2')?.kind, 'removed');
    const director = changes.find(({ machine }) => machine === 'fra-d1');
    assert.match(director?.effects.join() ?? '', /keepalived reloads: open connections stay/);
  });

  it('does not take a machine that is none, or a folder that was not rendered, for one without changes', async () => {
    const machine = await infra('diff', example, '--out', 'out', '--machine', 'fra-e11');
    assert.equal(machine.status, 1);
    assert.match(machine.stderr, /no machine "fra-e11".*did you mean "fra-e1"\? \[INFRA_NO_MACHINE\]/);
    const folder = await infra('diff', example, '--out', work);
    assert.equal(folder.status, 1);
    assert.match(folder.stderr, /\[INFRA_NO_FOLDER\]/);
  });

  it('makes secrets for their owner alone', async () => {
    const { stdout } = await infra('secrets', example);
    assert.match(stdout, /^secrets\.env: 11 secrets made \(.*RELAY_KEY\), 0 kept\.\n$/);
    assert.equal(statSync(join(work, 'secrets.env')).mode & 0o777, 0o600);
  });
});
