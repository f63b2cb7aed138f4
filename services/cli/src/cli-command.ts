/** What every command file exports, and what it is handed: the seam between the command line's grammar and the work. */
import type { Config, PartialConfig, SectionName } from '@weir/contracts/config/schema';
import type { Command } from 'commander';

/** One command, one file in commands/. */
export interface CliCommand {
  /** What it does, in a paragraph; the first sentence of its help. */
  description: string;
  /** Sections of the configuration that the command reads; help shows their flags only. */
  sections: readonly SectionName[];
  /** Command lines that run as printed, each with what it does. */
  examples: readonly (readonly [commandLine: string, what: string])[];
  /** Adds the command's own arguments and options. */
  define?(command: Command): void;
  /** Does the work; resolves with the exit status. */
  run(invocation: Invocation): Promise<number>;
}

/** One call of a command. */
export interface Invocation {
  /** Positional arguments. */
  args: readonly string[];
  /** Own options by commander's camel-case name; configuration flags are not among them. */
  options: Readonly<Record<string, string | boolean | undefined>>;
  /**
   * The configuration: defaults, file, `values` of the command, environment, flags; later ones win. `aliases` are
   * further flags by name without dashes, for options that are short for a configuration flag.
   */
  config(values?: PartialConfig, aliases?: Readonly<Record<string, string>>): Readonly<Config>;
  /** Whether a file was given, by `--config` or WEIR_CONFIG. */
  configFile: string | undefined;
}
