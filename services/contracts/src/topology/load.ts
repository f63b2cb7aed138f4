/** Reads a topology file: defaults, unknown keys with the nearest known one, kinds of values, then `check.ts`. */
import { readFileSync } from 'node:fs';
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { parse as parseYaml } from 'yaml';
import { ConfigError, errorCode, errorMessage } from '../errors.ts';
import { checkTopology, type Problem } from './check.ts';
import { closestName } from './names.ts';
import { GroupSchema, MachineSchema, SiteSchema, type Topology, TopologySchema } from './schema.ts';

/** A topology that can't be used; `problems` holds all of them, not only the first. */
export class TopologyError extends ConfigError {
  readonly problems: readonly Problem[];

  constructor(where: string, problems: readonly Problem[]) {
    const lines = problems.map((problem) => `  ${problem.path}: ${problem.message} [${problem.code}]`);
    super('TOPOLOGY_INVALID', `The topology ${where} has ${problems.length} problem(s):\n${lines.join('\n')}`);
    this.name = 'TopologyError';
    this.problems = problems;
  }
}

/** A topology that can be rendered, and what is doubtful about it. */
export interface LoadedTopology {
  topology: Topology;
  warnings: readonly Problem[];
}

/**
 * The topology in `path`.
 * @throws ConfigError `CONFIG_FILE` (missing or not YAML); TopologyError `TOPOLOGY_INVALID` with every problem found.
 */
export function loadTopology(path: string): LoadedTopology {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    const why = errorCode(error) === 'ENOENT' ? 'it does not exist' : errorMessage(error);
    throw new ConfigError('CONFIG_FILE', `Cannot read the topology ${path}: ${why}.`, { cause: error });
  }
  return parseTopology(content, path);
}

/** The topology in the YAML text `content`; `where` names it in errors. Throws as {@link loadTopology} does. */
export function parseTopology(content: string, where: string): LoadedTopology {
  let raw: unknown;
  try {
    raw = parseYaml(content) ?? {};
  } catch (error) {
    throw new ConfigError('CONFIG_FILE', `The topology ${where} is not YAML: ${errorMessage(error)}`, { cause: error });
  }
  const unknown = unknownKeys(TopologySchema as LooseSchema, raw, []);
  if (unknown.length > 0) throw new TopologyError(where, unknown);
  const topology = withDefaults(raw);
  const wrong = wrongValues(topology);
  if (wrong.length > 0) throw new TopologyError(where, wrong);
  const { problems, warnings } = checkTopology(topology);
  if (problems.length > 0) throw new TopologyError(where, problems);
  return { topology, warnings };
}

/** All keys present; the library leaves the entries of a record alone, so each is filled by its own schema. */
function withDefaults(raw: unknown): Topology {
  const topology = Value.Default(TopologySchema, structuredClone(raw)) as Topology;
  fillEntries(topology.sites, SiteSchema);
  fillEntries(topology.groups, GroupSchema);
  fillEntries(topology.machines, MachineSchema);
  return topology;
}

function fillEntries(entries: unknown, schema: TSchema): void {
  if (typeof entries !== 'object' || entries === null) return;
  const record = entries as Record<string, unknown>;
  for (const [name, entry] of Object.entries(record)) record[name] = Value.Default(schema, entry);
}

interface LooseSchema {
  type?: string;
  properties?: Record<string, LooseSchema>;
  patternProperties?: Record<string, LooseSchema>;
  additionalProperties?: unknown;
  items?: LooseSchema;
}

function unknownKeys(schema: LooseSchema, value: unknown, path: string[]): Problem[] {
  if (Array.isArray(value)) {
    return schema.items
      ? value.flatMap((item, at) => unknownKeys(schema.items ?? {}, item, [...path, String(at)]))
      : [];
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) => {
    const childPath = [...path, key];
    const known = schema.properties?.[key];
    if (known) return unknownKeys(known, child, childPath);
    const pattern = Object.entries(schema.patternProperties ?? {}).find(([text]) => new RegExp(text).test(key));
    if (pattern) return unknownKeys(pattern[1], child, childPath);
    return [unknownKey(schema, key, childPath)];
  });
}

function unknownKey(schema: LooseSchema, key: string, path: string[]): Problem {
  if (schema.patternProperties) {
    const message = 'a name has 1-63 letters, digits, "-" or "_" and starts with a letter or digit';
    return { code: 'TOPOLOGY_NAME', path: path.join('.'), message };
  }
  return {
    code: 'TOPOLOGY_UNKNOWN_KEY',
    path: path.join('.'),
    message: `unknown key${closestName(key, Object.keys(schema.properties ?? {}))}`,
  };
}

/** One problem per place: of a list of known words, the library reports that it is none, one error for each. */
function wrongValues(topology: Topology): Problem[] {
  const problems = new Map<string, Problem>();
  const words = new Map<string, string[]>();
  for (const error of Value.Errors(TopologySchema, topology)) {
    const path = error.instancePath.slice(1).replaceAll('/', '.') || 'topology';
    let message = `${error.message}, but is ${show(topology, path)}`;
    if (error.keyword === 'const') {
      const known = [...(words.get(path) ?? []), String(error.params.allowedValue)];
      words.set(path, known);
      message = `${show(topology, path)} is none of ${known.join(', ')}`;
    } else if (words.has(path)) continue;
    problems.set(path, { code: 'TOPOLOGY_VALUE', path, message });
  }
  for (const [path, known] of words) {
    const problem = problems.get(path);
    const value = show(topology, path).replaceAll('"', '');
    if (problem) problem.message += closestName(value, known);
  }
  return [...problems.values()];
}

function show(value: unknown, path: string): string {
  const found = path.split('.').reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], value);
  return JSON.stringify(found) ?? 'missing';
}
