/** Keeps the shape of the house: each rule is run over the repository, and over a small wrong one to show that it bites. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CLOSE_REASONS } from '@weir/contracts/events';
import { errorViolations } from './layout/errors.ts';
import { sourceViolations, topLevelViolations, workspaceViolations } from './layout/files.ts';
import { importViolations } from './layout/imports.ts';
import { type RepositoryFile, readRepository } from './layout/repository.ts';

const files = readRepository();
const manifest = (path: string, dependencies: Record<string, string> = {}): RepositoryFile => ({
  path: `${path}/package.json`,
  text: JSON.stringify({ dependencies }),
});
const source = (path: string, text: string): RepositoryFile => ({ path, text });

describe('the repository', () => {
  it('has only the allowed folders and files at the top', () => {
    assert.deepEqual(topLevelViolations(files), []);
  });
  it('has a README, a package.json and exact versions in every workspace', () => {
    assert.deepEqual(workspaceViolations(files), []);
  });
  it('imports only what each part may import', () => {
    assert.deepEqual(importViolations(files), []);
  });
  it('has source files that are commented, named and sized as agreed', () => {
    assert.deepEqual(sourceViolations(files), []);
  });
  it('tells of every error code and close reason of the edge, and of none that is gone', () => {
    assert.deepEqual(errorViolations(files, CLOSE_REASONS), []);
  });
});

describe('the layout rules', () => {
  it('refuse a folder or document at the top, but not dot-files', () => {
    const found = topLevelViolations(
      ['docs/a.md', 'TODO.md', '.ci/run', 'services/a/b'].map((path) => source(path, '')),
    );
    assert.deepEqual(
      found.map((sentence) => sentence.split(' ')[0]),
      ['docs/', 'TODO.md'],
    );
  });

  it('refuse open versions, unknown services and missing READMEs', () => {
    const found = workspaceViolations([
      manifest('services/edge', { fastify: '^5.0.0' }),
      source('services/chat/a.ts', ''),
    ]);
    assert.ok(found.includes('services/edge/package.json asks for fastify ^5.0.0, which is no exact version'));
    assert.ok(found.includes('services/chat is no service of the house'));
    assert.ok(found.includes('services/edge/README.md is missing'));
  });

  it('refuse an error code or reason that is not told of, and one that is told of and gone', () => {
    const found = errorViolations(
      [
        source('services/edge/src/a.ts', "new WeirError('EDGE_NEW', ''); new ProtocolError('AMF', '');"),
        source('services/edge/src/a.test.ts', "'EDGE_ONLY_TESTED'"),
        source('services/edge/errors.md', '| `EDGE_PORT_TAKEN`, `EDGE_OLD` | see `EDGE_ELSEWHERE` |\n| `kicked` | |\n'),
      ],
      ['kicked', 'silent'],
    );
    assert.deepEqual(
      found.map((sentence) => sentence.split(' ').slice(1, 3).join(' ')),
      ['lacks EDGE_NEW', 'lacks EDGE_RTMP_AMF', 'lacks silent', 'has EDGE_OLD,'],
    );
  });

  it('refuse a lock file that was forgotten', () => {
    const lock = source(
      'package-lock.json',
      JSON.stringify({ packages: { infra: { dependencies: { yaml: '1.0.0' } } } }),
    );
    const differ = (version: string) => workspaceViolations([lock, manifest('infra', { yaml: version })]).join('\n');
    assert.match(differ('2.0.0'), /infra\/package\.json and package-lock\.json differ/);
    assert.doesNotMatch(differ('1.0.0'), /differ/);
  });

  it('refuse a sibling service, anything of ours in contracts, and test in anything', () => {
    const all = { '@weir/ingest': '1.0.0', '@weir/edge': '1.0.0', '@weir/test': '1.0.0' };
    const found = importViolations([
      ...['edge', 'contracts', 'store', 'cli'].map((name) => manifest(`services/${name}`, all)),
      source('services/edge/src/a.ts', "import { a } from '@weir/ingest/main';"),
      source('services/contracts/src/a.ts', "export type { A } from '@weir/edge/main';"),
      source('services/store/src/a.test.ts', "const a = await import('@weir/test/harness/a');"),
      source('services/cli/src/a.ts', "import {\n  a,\n} from '@weir/edge/main';"),
    ]);
    assert.deepEqual(found, [
      'services/edge/src/a.ts: edge may not import @weir/ingest',
      'services/contracts/src/a.ts: contracts may not import @weir/edge',
      'services/store/src/a.test.ts: store may not import @weir/test',
    ]);
  });

  it('refuse ways around: a relative path into a neighbour, a package nobody declared', () => {
    const found = importViolations([
      manifest('services/edge'),
      source('services/edge/src/a.ts', "import { a } from '../../ingest/src/a.ts';\nimport pino from 'pino';"),
      source('services/edge/src/b.ts', "import { b } from './c';\nimport fs from 'fs';"),
    ]);
    assert.deepEqual(found, [
      'services/edge/src/a.ts reaches out of services/edge with "../../ingest/src/a.ts"',
      'services/edge/src/a.ts imports pino, which services/edge/package.json does not name',
      'services/edge/src/b.ts imports "./c" without its extension',
      'services/edge/src/b.ts imports "fs" without node:',
    ]);
  });

  it('refuse a source file without its comment, with a default export, too long, or that helps itself to configuration', () => {
    const long = `// Why.\n${'\n'.repeat(500)}`;
    const found = sourceViolations([
      source('services/edge/src/a.ts', "import a from 'a';\nexport default a;\n"),
      source('services/edge/src/bigFile.ts', long),
      source('services/edge/src/c.ts', '// Why.\nconst c = process.env.C;\n'),
      source('services/edge/src/utils.ts', '// Why.\n'),
      source('services/cli/src/d.ts', '/** Why. */\nconst d = process.env.D;\n'),
    ]);
    assert.deepEqual(found, [
      'services/edge/src/a.ts does not open with a comment that says why it exists',
      'services/edge/src/a.ts has a default export',
      'services/edge/src/bigFile.ts is not named in kebab-case',
      'services/edge/src/bigFile.ts has 501 lines, more than 400',
      'services/edge/src/c.ts reads the environment: configuration is handed in',
      'services/edge/src/utils.ts is named after nothing: name it by its concern',
    ]);
  });
});
