/** Who may import whom: contracts is below everything, telemetry above it, services meet at NATS, HTTP and SQL only, cli composes, test may all. */
import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path/posix';
import type { RepositoryFile } from './repository.ts';

/** Services that run by themselves. */
const PARTS = ['edge', 'ingest', 'store', 'player'];

/** Workspaces of ours that each workspace may import, besides itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  contracts: [],
  // how anything of ours is measured; `weir agent` is nothing but that
  telemetry: ['contracts'],
  ...Object.fromEntries(PARTS.map((part) => [part, ['contracts', 'telemetry']])),
  infra: ['contracts'],
  dashboards: ['contracts'],
  cli: ['contracts', 'telemetry', ...PARTS, 'infra', 'dashboards'],
  test: ['contracts', 'telemetry', ...PARTS, 'infra', 'dashboards', 'cli'],
};

/** One sentence per import that is not allowed. */
export function importViolations(files: readonly RepositoryFile[]): string[] {
  const dependencies = declaredDependencies(files);
  return files
    .filter(({ path }) => /\.(ts|mjs)$/.test(path))
    .flatMap((file) =>
      importsOf(file.text)
        .map((specifier) => violation(file.path, specifier, dependencies))
        .filter((sentence) => sentence !== undefined),
    );
}

/** The folder of a workspace by a file in it: `services/edge`, `infra` …; the empty string for files of no workspace. */
export function workspaceFolder(path: string): string {
  const [first = '', second = ''] = path.split('/');
  if (first === 'services') return `services/${second}`;
  return path.includes('/') ? first : '';
}

function violation(
  path: string,
  specifier: string,
  dependencies: ReadonlyMap<string, Set<string>>,
): string | undefined {
  const folder = workspaceFolder(path);
  const name = folder.split('/').at(-1) ?? '';
  if (specifier.startsWith('.')) {
    const target = join(dirname(path), specifier);
    if (target !== folder && !target.startsWith(`${folder}/`))
      return `${path} reaches out of ${folder} with "${specifier}"`;
    // A folder's URL is no module: new URL('./migrations/', import.meta.url) is not matched here at all.
    return /\.(ts|mjs|json)$/.test(specifier) ? undefined : `${path} imports "${specifier}" without its extension`;
  }
  if (isBuiltin(specifier))
    return specifier.startsWith('node:') ? undefined : `${path} imports "${specifier}" without node:`;
  const ours = /^@weir\/([a-z]+)/.exec(specifier)?.[1];
  if (ours !== undefined && ours !== name && MAY_IMPORT[name]?.includes(ours) !== true) {
    return `${path}: ${name} may not import @weir/${ours}`;
  }
  const packageName = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
  if (ours !== name && dependencies.get(folder)?.has(packageName) !== true) {
    return `${path} imports ${packageName}, which ${folder}/package.json does not name`;
  }
  return undefined;
}

/** Static, dynamic and type-only imports and re-exports with a literal name. */
function importsOf(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  const patterns = [
    /^(?:import|export)\b[^'"`;]*?\bfrom\s+'([^']+)'/gm,
    /^import\s+'([^']+)'/gm,
    /\bimport\(\s*'([^']+)'\s*\)/g,
  ];
  return patterns.flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1] ?? ''));
}

function declaredDependencies(files: readonly RepositoryFile[]): Map<string, Set<string>> {
  const manifests = files.filter(({ path }) => path.endsWith('/package.json') || path === 'package.json');
  return new Map(
    manifests.map(({ path, text }) => {
      const {
        dependencies = {},
        devDependencies = {},
        optionalDependencies = {},
      } = JSON.parse(text) as Record<
        'dependencies' | 'devDependencies' | 'optionalDependencies',
        Record<string, string> | undefined
      >;
      const names = [dependencies, devDependencies, optionalDependencies].flatMap((group) => Object.keys(group));
      return [path === 'package.json' ? '' : dirname(path), new Set(names)];
    }),
  );
}
