/** How Node is started for a process of ingest. Before it: the command or a supervisor; after it: main.ts. */

/**
 * A small young generation (MB per half). What a batch holds lives in a few large arrays that are used again, so Node's own
 * growth to 64 MB and more buys no time here: it only keeps payloads that are read already from being given back.
 */
export const INGEST_FLAGS: readonly string[] = ['--max-semi-space-size=4'];
