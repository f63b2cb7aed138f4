/** How Node is started for a process that serves media. Before it: a command, a supervisor or the crew; after it: main.ts or a worker. */

/**
 * A small young generation (MB per half). Fan-out allocates little, and what lives longer than one window lives as long as
 * its viewer: with Node's own 16-32 MB per half, 1,600 viewers cost 60 kB of RSS each instead of 25, and no less CPU.
 *
 * No helper threads for the collector: there is a process per core, so a flush would wait for helpers that wait for its own
 * core. Longest flush with 4,800 viewers in four runs each, in turn: 11.2 to 14.1 ms without helpers, 11.5 to 21.3 with
 * them; CPU the same, 18 to 21 instead of 19 to 26 kB per viewer.
 */
export const MEDIA_FLAGS: readonly string[] = ['--max-semi-space-size=4', '--single-threaded-gc'];
