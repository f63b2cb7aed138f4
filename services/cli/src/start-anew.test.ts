// A command that needs flags of Node gets them in the same process, once, and never against what somebody set.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';

const MODULE = new URL('./start-anew.ts', import.meta.url).href;
const FLAG = '--max-semi-space-size=4';
const SCRIPT = `
  const { startAnewWith } = await import(${JSON.stringify(MODULE)});
  process.env.FIRST_PID ??= String(process.pid);
  startAnewWith([${JSON.stringify(FLAG)}], process.env.NODE_OPTIONS);
  console.log(JSON.stringify({ flags: process.execArgv, isSame: process.env.FIRST_PID === String(process.pid) }));
`;

/** Runs the script with flags before it; Node repeats `--eval` and what follows it among the flags. */
function run(flags: string[], nodeOptions = ''): { flags: string[]; isSame: boolean } {
  const { stdout, stderr } = spawnSync(process.execPath, [...flags, '--input-type=module', '--eval', SCRIPT], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, NODE_OPTIONS: nodeOptions },
  });
  assert.notEqual(stdout, '', stderr);
  return JSON.parse(stdout);
}

describe('starting anew', () => {
  it('begins again with the flag, as the same process', () => {
    const { flags, isSame } = run([]);
    assert.equal(flags[0], FLAG);
    assert.equal(isSame, true);
  });

  it('leaves a flag that was given, also in NODE_OPTIONS and with underscores', () => {
    assert.ok(!run(['--max_semi_space_size=16']).flags.includes(FLAG));
    assert.ok(!run([], '--no-warnings --max-semi-space-size=16').flags.includes(FLAG));
  });

  it('is not kept from it by another flag', () => {
    assert.ok(run(['--no-warnings'], '--trace-uncaught').flags.includes(FLAG));
  });
});
