/**
 * Makes sure that an outside program is there: on the PATH, else by apt where we are root on a Debian-like system, else
 * (static programs) unpacked from its Debian package without root, else a sentence that says how to get it.
 * Before it: a command that needs the program; after it: the program's absolute path.
 */
import { type ExecFileException, execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { errorMessage, WeirError } from '@weir/contracts/errors';
import { aptInstall, aptUnpack } from './apt.ts';
import { isOlder, TOOLS, type Tool, type ToolName } from './tools.ts';

/** What the machine offers; tests take things away. */
export interface Machine {
  /** Folders looked through, in order. */
  searchPath: readonly string[];
  isRoot: boolean;
}

/** Options of {@link ensure}. */
export interface EnsureOptions {
  /** Folder that unpacked programs go to and are found in again, e.g. `.weir/tools`. */
  toolsDir: string;
  /** Told what takes time. */
  say(sentence: string): void;
  /** Default: this machine. */
  machine?: Machine;
  /** How long a program may take to print its version, in ms; default {@link VERSION_TIMEOUT_MS}. */
  versionTimeoutMs?: number;
}

/** The first start on a machine under load reads a program's two hundred libraries from a cold disk: over 10 s were seen. */
const VERSION_TIMEOUT_MS = 120_000;
/** Whoever waits longer is told what for. */
const QUIET_MS = 3_000;
const run = promisify(execFile);

/**
 * The absolute path of the program, installed when need be.
 * @throws WeirError `TOOL_MISSING` with how to get it, `TOOL_TOO_OLD`, `TOOL_BROKEN` when it does not even print its version.
 */
export async function ensure(name: ToolName, options: EnsureOptions): Promise<string> {
  const tool: Tool = TOOLS[name];
  const machine = options.machine ?? thisMachine();
  const found = findProgram(tool.program, [...machine.searchPath, options.toolsDir]);
  if (found !== undefined) return checked(tool, found, options);
  const apt = findProgram('apt-get', machine.searchPath);
  const reasons: string[] = [];
  if (apt === undefined) reasons.push('there is no apt-get');
  else if (machine.isRoot) {
    await attempt(reasons, () => aptInstall(apt, tool, options.say));
  } else if (!tool.isStatic) reasons.push('installing it by apt-get needs root');
  if (apt !== undefined && tool.isStatic && findProgram(tool.program, machine.searchPath) === undefined) {
    await attempt(reasons, () => aptUnpack(apt, tool, options.toolsDir, options.say));
  }
  const installed = findProgram(tool.program, [...machine.searchPath, options.toolsDir]);
  if (installed !== undefined) return checked(tool, installed, options);
  throw new WeirError(
    'TOOL_MISSING',
    `${tool.program} is not on the PATH and could not be installed (${reasons.join('; ')}): ${tool.howToGet}, then try again.`,
  );
}

/** The machine as it is. The system's own program folders are looked through even when the PATH of a user lacks them. */
export function thisMachine(): Machine {
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return {
    searchPath: [...new Set([...path, '/usr/local/sbin', '/usr/sbin', '/sbin'])],
    isRoot: process.getuid?.() === 0,
  };
}

/** First executable file of this name in `folders`. */
export function findProgram(program: string, folders: readonly string[]): string | undefined {
  return folders
    .map((folder) => join(folder, program))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

async function checked(tool: Tool, path: string, options: EnsureOptions): Promise<string> {
  const timeout = options.versionTimeoutMs ?? VERSION_TIMEOUT_MS;
  const patience = setInterval(() => options.say(`… waiting for ${path} to tell its version`), QUIET_MS);
  let output: string;
  try {
    const { stdout, stderr } = await run(path, [...tool.versionArguments], { timeout });
    output = stdout + stderr;
  } catch (error) {
    throw new WeirError('TOOL_BROKEN', `${path} does not run (${whyNot(error, timeout)}): ${tool.howToGet}.`, {
      cause: error,
    });
  } finally {
    clearInterval(patience);
  }
  const version = tool.versionPattern.exec(output)?.[1];
  if (version !== undefined && isOlder(version, tool.leastVersion)) {
    throw new WeirError(
      'TOOL_TOO_OLD',
      `${path} is version ${version}, and Weir needs ${tool.leastVersion} or newer: ${tool.howToGet}.`,
    );
  }
  return path;
}

/** Why a program did not print its version: time-out and signal are not in the message that Node gives. */
function whyNot(error: unknown, timeoutMs: number): string {
  const { killed, signal } = error as Partial<ExecFileException>;
  if (killed) return `it did not tell its version within ${timeoutMs / 1_000} s`;
  return signal ? `it was ended by ${signal}` : errorMessage(error).trim();
}

async function attempt(reasons: string[], work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    reasons.push(errorMessage(error));
  }
}
