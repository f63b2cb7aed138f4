/**
 * Lets a command begin again with flags for Node, which a running process cannot take any more. Before it: main.ts, ahead of
 * everything that is slow to load; after it: the same command in the same process id.
 */

/**
 * Puts the same program with `flags` in the place of this process, which keeps its id. Does nothing where one of them is set
 * already, on the command line or in `nodeOptions` (the variable NODE_OPTIONS), where Node cannot do it, and in a child with
 * an IPC channel, which would be lost: its parent gives flags.
 */
export function startAnewWith(flags: readonly string[], nodeOptions = ''): void {
  const given = [...process.execArgv, ...nodeOptions.split(/\s+/)].map(nameOf);
  const isSet = flags.some((flag) => given.includes(nameOf(flag)));
  if (isSet || process.send !== undefined || process.execve === undefined) return;
  process.execve(process.execPath, [process.execPath, ...flags, ...process.execArgv, ...process.argv.slice(1)]);
}

/** V8 takes `-` and `_` for the same. */
function nameOf(flag: string): string {
  return (flag.split('=', 1)[0] ?? '').replaceAll('_', '-');
}
