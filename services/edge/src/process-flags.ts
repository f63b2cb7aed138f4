/** How Node is started for a process that serves media. Before it: a command, a supervisor or the crew; after it: main.ts or a worker. */

/**
 * A small young generation (MB per half). Fan-out allocates little, and what lives longer than one window lives as long as
 * its viewer: with Node's own 16-32 MB per half, 1,600 viewers cost 60 kB of RSS each instead of 25, and no less CPU.
 */
export const MEDIA_FLAGS: readonly string[] = ['--max-semi-space-size=4'];
