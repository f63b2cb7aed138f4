/** How Node is started for a process of ingest. Before it: the command or a supervisor; after it: main.ts. */

/**
 * - A small young generation (MB per half). What a batch holds lives in a few large arrays that are used again, so Node's own
 *   growth to 64 MB and more buys no time here: it only keeps payloads that are read already from being given back.
 * - The whole heap is collected when it has grown by 15 %. Payloads that outlive the young generation lie outside of the
 *   heap, where Node lets 64 MB of them pile up before it looks; the heap itself grows slowly beside them.
 */
export const INGEST_FLAGS: readonly string[] = ['--max-semi-space-size=4', '--heap-growing-percent=15'];
