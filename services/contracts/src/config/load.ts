/** Builds a configuration: defaults, then the file, then the environment, then flags; checked and frozen. */
import { readFileSync } from 'node:fs';
import { closest, distance } from 'fastest-levenshtein';
import { Value } from 'typebox/value';
import { parse as parseYaml } from 'yaml';
import { ConfigError, errorCode, errorMessage } from '../errors.ts';
import { type Config, ConfigSchema, type PartialConfig, SECRET } from './schema.ts';

/** Where the values come from; later ones win: file, `values`, environment, flags. */
export interface ConfigSources {
  /** YAML or JSON file; undefined = none. */
  file?: string | undefined;
  /** Values a command or a test sets itself, below the environment. */
  values?: PartialConfig | undefined;
  /** Usually `process.env`; only `WEIR_…` names of leaves are looked at, unknown `WEIR_…` names are refused. */
  env?: NodeJS.ProcessEnv | undefined;
  /** Raw text by flag name without dashes, e.g. `{ 'rtmp-port': '1936' }`. */
  flags?: Readonly<Record<string, string>> | undefined;
}

/** One leaf of the schema. */
export interface ConfigLeaf {
  /** `['rtmp', 'port']`. */
  path: readonly string[];
  /** `rtmp-port`. */
  flag: string;
  /** `WEIR_RTMP_PORT`. */
  env: string;
  type: 'string' | 'integer' | 'boolean' | 'array';
  secret: boolean;
  default: unknown;
  description: string;
}

interface LooseSchema {
  type?: string;
  properties?: Record<string, LooseSchema>;
  items?: LooseSchema;
  format?: string;
  default?: unknown;
  description?: string;
}

/** Environment variables that start with `WEIR_` and are no configuration. */
const OTHER_ENV = new Set(['WEIR_CONFIG', 'WEIR_BOOTSTRAPPED']);

/** All leaves of the schema in its order; flags, environment and documentation come from this one list. */
export function configLeaves(): ConfigLeaf[] {
  const leaves: ConfigLeaf[] = [];
  const walk = (schema: LooseSchema, path: string[]): void => {
    for (const [key, child] of Object.entries(schema.properties ?? {})) {
      const childPath = [...path, key];
      if (child.type === 'object') walk(child, childPath);
      else leaves.push(toLeaf(child, childPath));
    }
  };
  walk(ConfigSchema as LooseSchema, []);
  return leaves;
}

function toLeaf(schema: LooseSchema, path: string[]): ConfigLeaf {
  const flag = path.map((key) => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)).join('-');
  return {
    path,
    flag,
    env: `WEIR_${flag.toUpperCase().replaceAll('-', '_')}`,
    type: schema.type === 'integer' || schema.type === 'boolean' || schema.type === 'array' ? schema.type : 'string',
    secret: schema.format === SECRET || schema.items?.format === SECRET,
    default: schema.default,
    description: schema.description ?? '',
  };
}

/**
 * The configuration from its sources, deeply frozen.
 * @throws ConfigError `CONFIG_FILE` (missing or not YAML), `CONFIG_UNKNOWN_KEY` (with the nearest known key),
 *   `CONFIG_INVALID` (a value of the wrong kind or out of range).
 */
export function loadConfig(sources: ConfigSources = {}): Readonly<Config> {
  const merged: Record<string, unknown> = {};
  if (sources.file !== undefined) merge(merged, readFile(sources.file), sources.file);
  if (sources.values !== undefined) merge(merged, structuredClone(sources.values), 'the command');
  const leaves = configLeaves();
  applyEnv(merged, sources.env ?? {}, leaves);
  applyFlags(merged, sources.flags ?? {}, leaves);
  const config = Value.Default(ConfigSchema, merged);
  const [error] = Value.Errors(ConfigSchema, config);
  if (error) {
    const key = error.instancePath.slice(1).replaceAll('/', '.');
    throw new ConfigError(
      'CONFIG_INVALID',
      `Configuration key "${key}" ${error.message}, but is ${show(config, key)}.`,
    );
  }
  return deepFreeze(config as Config);
}

/** The configuration as plain data with secrets blanked, for printing at start. */
export function redactConfig(config: Readonly<Config>): PartialConfig {
  const copy = structuredClone(config) as unknown as Record<string, unknown>;
  for (const leaf of configLeaves()) {
    if (!leaf.secret) continue;
    const value = valueAt(copy, leaf.path);
    if (Array.isArray(value))
      setAt(
        copy,
        leaf.path,
        value.map(() => '***'),
      );
    else if (value !== '') setAt(copy, leaf.path, '***');
  }
  return copy as PartialConfig;
}

function readFile(path: string): unknown {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    const why = errorCode(error) === 'ENOENT' ? 'it does not exist' : errorMessage(error);
    throw new ConfigError('CONFIG_FILE', `Cannot read the configuration file ${path}: ${why}.`, { cause: error });
  }
  try {
    return parseYaml(content) ?? {};
  } catch (error) {
    throw new ConfigError('CONFIG_FILE', `The configuration file ${path} is not YAML: ${errorMessage(error)}`, {
      cause: error,
    });
  }
}

/** Copies known keys of `from` into `into`, section by section. */
function merge(into: Record<string, unknown>, from: unknown, where: string): void {
  mergeObject(ConfigSchema as LooseSchema, into, from, [], where);
}

function mergeObject(
  schema: LooseSchema,
  into: Record<string, unknown>,
  from: unknown,
  path: string[],
  where: string,
): void {
  if (typeof from !== 'object' || from === null || Array.isArray(from)) {
    const what = path.length === 0 ? 'The configuration' : `Configuration key "${path.join('.')}"`;
    throw new ConfigError('CONFIG_INVALID', `${what} in ${where} must be a mapping of keys to values.`);
  }
  const known = Object.keys(schema.properties ?? {});
  for (const [key, value] of Object.entries(from)) {
    const child = schema.properties?.[key];
    if (!child)
      throw unknownKey(
        'configuration key',
        [...path, key].join('.'),
        known.map((k) => [...path, k].join('.')),
        where,
      );
    if (child.type === 'object') {
      mergeObject(child, childObject(into, key), value, [...path, key], where);
    } else if (value !== undefined) into[key] = value;
  }
}

function applyEnv(into: Record<string, unknown>, env: NodeJS.ProcessEnv, leaves: ConfigLeaf[]): void {
  const byEnv = new Map(leaves.map((leaf) => [leaf.env, leaf]));
  for (const [name, raw] of Object.entries(env)) {
    if (!name.startsWith('WEIR_') || OTHER_ENV.has(name) || raw === undefined) continue;
    const leaf = byEnv.get(name);
    if (!leaf) throw unknownKey('environment variable', name, [...byEnv.keys()], 'the environment');
    setAt(into, leaf.path, parseRaw(leaf, raw, name));
  }
}

function applyFlags(
  into: Record<string, unknown>,
  flags: Readonly<Record<string, string>>,
  leaves: ConfigLeaf[],
): void {
  const byFlag = new Map(leaves.map((leaf) => [leaf.flag, leaf]));
  for (const [name, raw] of Object.entries(flags)) {
    const leaf = byFlag.get(name);
    if (!leaf)
      throw unknownKey(
        'flag',
        `--${name}`,
        [...byFlag.keys()].map((flag) => `--${flag}`),
        'the command line',
      );
    setAt(into, leaf.path, parseRaw(leaf, raw, `--${name}`));
  }
}

function parseRaw(leaf: ConfigLeaf, raw: string, where: string): unknown {
  switch (leaf.type) {
    case 'string':
      return raw;
    case 'array':
      return raw
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '');
    case 'integer':
      if (!/^-?\d+$/.test(raw)) {
        throw new ConfigError('CONFIG_INVALID', `${where} must be a whole number, but is "${raw}".`);
      }
      return Number(raw);
    case 'boolean':
      if (raw !== 'true' && raw !== 'false') {
        throw new ConfigError('CONFIG_INVALID', `${where} must be true or false, but is "${raw}".`);
      }
      return raw === 'true';
  }
}

function unknownKey(what: string, name: string, known: string[], where: string): ConfigError {
  const nearest = known.length > 0 ? closest(name, known) : '';
  const hint =
    nearest !== '' && distance(name, nearest) <= Math.max(3, name.length / 3) ? ` Did you mean "${nearest}"?` : '';
  return new ConfigError('CONFIG_UNKNOWN_KEY', `Unknown ${what} "${name}" in ${where}.${hint}`);
}

function valueAt(object: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], object);
}

function setAt(object: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let at = object;
  for (const key of path.slice(0, -1)) at = childObject(at, key);
  at[path.at(-1) as string] = value;
}

/** The object under `key`, made when missing. */
function childObject(object: Record<string, unknown>, key: string): Record<string, unknown> {
  object[key] ??= {};
  return object[key] as Record<string, unknown>;
}

function show(config: unknown, key: string): string {
  return JSON.stringify(valueAt(config, key.split('.'))) ?? 'missing';
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const child of Object.values(value)) deepFreeze(child);
    Object.freeze(value);
  }
  return value;
}
