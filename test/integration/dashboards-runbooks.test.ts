/**
 * Runbooks are followed at night, word by word: every file, command, flag and configuration key they name is there. Their SQL
 * runs in dashboards/questions.ts, and `npm run dashboards` by the same door as npm opens.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ConfigSchema } from '@weir/contracts/config/schema';
import { type CliResult, weir } from './cli-process.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FOLDER = join(ROOT, 'dashboards/runbooks');
const runbooks = readdirSync(FOLDER).map((name) => ({ name, text: readFileSync(join(FOLDER, name), 'utf8') }));
const found = (pattern: RegExp) =>
  runbooks.flatMap(({ name, text }) => [...text.matchAll(pattern)].map((match) => ({ name, match })));

describe('runbooks name', () => {
  const commands = found(/`weir (?<command>[a-z-]+)(?<rest>[^`]*)`/g);
  const helps = new Map<string, CliResult>();
  before(async () => {
    const names = new Set(commands.map(({ match }) => match.groups?.command ?? ''));
    await Promise.all([...names].map(async (name) => helps.set(name, await weir([name, '--help']))));
  });

  it('commands, actions and flags that there are', () => {
    assert.ok(commands.length > 10);
    for (const { name, match } of commands) {
      const { command = '', rest = '' } = match.groups ?? {};
      const help = helps.get(command);
      assert.equal(help?.status, 0, `${name}: weir ${command}`);
      const words = [...rest.matchAll(/(?<= )(--[a-z-]+|[a-z][a-z-]+)(?= |$)/g)].map(([word]) => word);
      for (const word of words) assert.match(help?.stdout ?? '', new RegExp(`\\b${word.replace(/^-+/, '')}\\b`), name);
    }
  });

  it('files that are there', () => {
    for (const { name, match } of found(/\b(?:dashboards|infra|test)\/[\w./-]+\w/g))
      assert.ok(existsSync(join(ROOT, match[0])), `${name}: ${match[0]}`);
  });

  it('keys of the configuration that there are', () => {
    const sections = Object.entries(ConfigSchema.properties);
    const known = new Set(
      sections.flatMap(([section, schema]) =>
        Object.keys('properties' in schema ? schema.properties : {}).map((key) => `${section}.${key}`),
      ),
    );
    const keys = found(/(?<![\w.'/-])(?<section>[a-z]+)\.(?<key>[a-z][A-Za-z]+)\b(?!\()(?<code>`?)/g).filter(
      ({ match: { groups } }) =>
        !['conf', 'service'].includes(groups?.key ?? '') &&
        (groups?.code === '`' || sections.some(([section]) => section === groups?.section)),
    );
    assert.ok(keys.length > 5);
    for (const { name, match } of keys)
      assert.ok(known.has(`${match.groups?.section}.${match.groups?.key}`), `${name}: ${match[0]}`);
  });
});

it('npm run dashboards does its work whichever Node npm finds', () => {
  // npm puts node_modules/.bin first, where the Node that came with the dependencies is
  const script = join(ROOT, 'services/cli/bootstrap/run.mjs');
  const { stdout, stderr } = spawnSync(process.execPath, [script, 'dashboards', '--check'], { encoding: 'utf8' });
  assert.match(stdout + stderr, /files of dashboards\/generated are what their sources make|npm run dashboards/);
});
