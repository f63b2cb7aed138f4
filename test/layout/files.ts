/** Rules about single files and folders: where they may lie, how they are named, how they open, how long they are. */
import { isDeepStrictEqual } from 'node:util';
import type { RepositoryFile } from './repository.ts';

const TOP_FOLDERS = new Set(['services', 'dashboards', 'infra', 'test']);
const ROOT_FILES = new Set([
  'README.md',
  'LICENSE',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'biome.json',
]);
const SERVICES = ['contracts', 'telemetry', 'edge', 'ingest', 'store', 'player', 'cli'];
const MOST_LINES = 400;
const DEPENDENCY_GROUPS = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'];
/** Only main.ts and the command line know where configuration comes from. */
const CONFIGURED_BY = /^(services\/cli\/|services\/contracts\/|test\/)|\.test\.ts$/;

/** One sentence per file that lies at the top where it may not. Dot-files and dot-folders may. */
export function topLevelViolations(files: readonly RepositoryFile[]): string[] {
  const first = new Set(files.map(({ path }) => (path.includes('/') ? `${path.split('/')[0]}/` : path)));
  return [...first]
    .filter((entry) => !entry.startsWith('.'))
    .filter((entry) => !(entry.endsWith('/') ? TOP_FOLDERS.has(entry.slice(0, -1)) : ROOT_FILES.has(entry)))
    .map((entry) => `${entry} may not lie at the top: documents live beside what they describe`);
}

/** One sentence per workspace without README or package.json, with an open version, or not known. */
export function workspaceViolations(files: readonly RepositoryFile[]): string[] {
  const paths = new Set(files.map(({ path }) => path));
  const folders = [...SERVICES.map((name) => `services/${name}`), 'dashboards', 'infra', 'test'];
  const missing = folders
    .flatMap((folder) => [`${folder}/README.md`, `${folder}/package.json`])
    .filter((path) => !paths.has(path))
    .map((path) => `${path} is missing`);
  const strangers = [...new Set(files.map(({ path }) => /^services\/([^/]+)\//.exec(path)?.[1]))]
    .filter((name) => name !== undefined && !SERVICES.includes(name))
    .map((name) => `services/${name} is no service of the house`);
  const manifests = files.filter(({ path }) => /(^|\/)package\.json$/.test(path));
  return [...missing, ...strangers, ...manifests.flatMap(versionViolations), ...lockViolations(files, manifests)];
}

/** npm installs what the lock file says without a word when a package.json says otherwise. */
function lockViolations(files: readonly RepositoryFile[], manifests: readonly RepositoryFile[]): string[] {
  const lock = files.find(({ path }) => path === 'package-lock.json');
  if (!lock) return [];
  const { packages } = JSON.parse(lock.text) as { packages: Record<string, Record<string, unknown> | undefined> };
  return manifests
    .filter(({ path, text }) => {
      const manifest = JSON.parse(text) as Record<string, unknown>;
      const locked = packages[path.split('/').slice(0, -1).join('/')];
      return DEPENDENCY_GROUPS.some((group) => !isDeepStrictEqual(sorted(manifest[group]), sorted(locked?.[group])));
    })
    .map(({ path }) => `${path} and package-lock.json differ: run npm install`);
}

function sorted(group: unknown): unknown {
  return Object.entries((group ?? {}) as Record<string, string>).toSorted(([a], [b]) => a.localeCompare(b));
}

/** One sentence per rule that a source file breaks. */
export function sourceViolations(files: readonly RepositoryFile[]): string[] {
  return files.filter(({ path }) => /\.(ts|mjs)$/.test(path)).flatMap(sourceFileViolations);
}

function versionViolations({ path, text }: RepositoryFile): string[] {
  const manifest = JSON.parse(text) as Record<string, Record<string, string> | undefined>;
  return DEPENDENCY_GROUPS.flatMap((group) => Object.entries(manifest[group] ?? {}))
    .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
    .map(([name, version]) => `${path} asks for ${name} ${version}, which is no exact version`);
}

function sourceFileViolations({ path, text }: RepositoryFile): string[] {
  const name = path.split('/').at(-1) ?? '';
  const isDeclaration = path.endsWith('.d.ts');
  const lines = text.split('\n').length - 1;
  const code = text.replace(/^#!.*\n/, '').trimStart();
  const rules: [boolean, string][] = [
    [!code.startsWith('/*') && !code.startsWith('//'), 'does not open with a comment that says why it exists'],
    [!/^[a-z0-9]+(-[a-z0-9]+)*(\.test|\.d|\.config)?\.(ts|mjs)$/.test(name), 'is not named in kebab-case'],
    [/^utils?\./.test(name), 'is named after nothing: name it by its concern'],
    [lines > MOST_LINES, `has ${lines} lines, more than ${MOST_LINES}`],
    // A .d.ts describes somebody else's module.
    [!isDeclaration && /^export default\b/m.test(text), 'has a default export'],
    // libuv can be told the size of its thread pool in no other way.
    [
      !CONFIGURED_BY.test(path) && /\bprocess\.env\b(?!\.UV_THREADPOOL_SIZE)/.test(text),
      'reads the environment: configuration is handed in',
    ],
    [!CONFIGURED_BY.test(path) && /\bloadConfig\(/.test(text), 'loads the configuration: it is handed in'],
  ];
  return rules.filter(([broken]) => broken).map(([, sentence]) => `${path} ${sentence}`);
}
