/** Makes every key of the configuration a flag of a command, and reads them back. Before it: argv; after it: loadConfig. */
import { type ConfigLeaf, configLeaves, loadConfig } from '@weir/contracts/config/load';
import type { SectionName } from '@weir/contracts/config/schema';
import { type Command, Option } from 'commander';
import type { Invocation } from '../cli-command.ts';

type Options = Readonly<Record<string, string | boolean | undefined>>;

/** Adds `--config` and a flag per leaf; help shows those of `sections` (and keys that belong to no section). */
export function addConfigOptions(command: Command, sections: readonly SectionName[]): void {
  const shown = new Set<string>(sections);
  command.addOption(
    new Option('--config <file>', 'configuration file, YAML or JSON (WEIR_CONFIG)').helpGroup('Options:'),
  );
  for (const leaf of configLeaves()) {
    const section = leaf.path[0] as string;
    const option = new Option(`--${leaf.flag} <${kind(leaf)}>`, `${leaf.description}${shownDefault(leaf)}`);
    option.helpGroup('Configuration (also as keys of the file and as WEIR_… variables):');
    option.hidden = !shown.has(section) || command.options.some((own) => own.long === option.long);
    if (command.options.some((own) => own.long === option.long)) continue;
    command.addOption(option);
  }
}

/** Splits what commander read into the command's own options and configuration flags by flag name. */
export function splitOptions(command: Command): { own: Options; flags: Record<string, string> } {
  const leaves = new Set(configLeaves().map((leaf) => leaf.flag));
  const own: Record<string, string | boolean | undefined> = {};
  const flags: Record<string, string> = {};
  const values = command.opts<Record<string, string | boolean | undefined>>();
  for (const option of command.options) {
    const value = values[option.attributeName()];
    const flag = option.long?.slice(2) ?? '';
    if (!leaves.has(flag)) own[option.attributeName()] = value;
    else if (typeof value === 'string') flags[flag] = value;
  }
  return { own, flags };
}

/** A function that loads the configuration from all its sources, with the command's own values below the environment. */
export function configReader(file: string | undefined, flags: Readonly<Record<string, string>>): Invocation['config'] {
  return (values, aliases = {}) => loadConfig({ file, values, env: process.env, flags: { ...aliases, ...flags } });
}

function kind(leaf: ConfigLeaf): string {
  if (leaf.type === 'integer') return 'n';
  if (leaf.type === 'array') return 'list';
  return leaf.type === 'boolean' ? 'true|false' : 'text';
}

function shownDefault(leaf: ConfigLeaf): string {
  const { default: value } = leaf;
  if (leaf.secret || value === '' || value === undefined || (Array.isArray(value) && value.length === 0)) return '';
  return ` (default: ${Array.isArray(value) ? value.join(',') : String(value)})`;
}
