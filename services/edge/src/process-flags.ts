/**
 * How Node is started for a process that serves media. Before it: a command, a supervisor or the crew, which starts the
 * process with these flags or lets it start itself anew with them; after it: main.ts or a worker.
 */

const YOUNG_GENERATION = '--max-semi-space-size';

/**
 * A small young generation (MB). Fan-out allocates little, and what lives longer than one window lives as long as its
 * viewer: with Node's own 16-32 MB per half, 1,600 viewers cost 60 kB of RSS each instead of 25, and no less CPU.
 */
export const MEDIA_FLAGS: readonly string[] = [`${YOUNG_GENERATION}=4`];

/**
 * Puts the same program, with `flags` (those above, or another part's of the same kind), in the place of this process,
 * which keeps its id. Does nothing where it has such a flag, or `nodeOptions` (the variable NODE_OPTIONS) has, where Node cannot do it, and in a child with an IPC channel,
 * which would be lost: its parent gives flags.
 */
export function startAnewWith(flags: readonly string[], nodeOptions = ''): void {
  const given = [...process.execArgv, nodeOptions].some((flag) => flag.includes(YOUNG_GENERATION));
  if (given || process.send !== undefined || process.execve === undefined) return;
  process.execve(process.execPath, [process.execPath, ...flags, ...process.execArgv, ...process.argv.slice(1)]);
}
