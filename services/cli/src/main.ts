/** Entry of the command line: before it the bootstrap (or a supervisor that started this process), after it one command. */
import { MEDIA_FLAGS } from '@weir/edge/process-flags';
import { INGEST_FLAGS } from '@weir/ingest/process-flags';
import { startAnewWith } from './start-anew.ts';

// Before anything else is loaded: the process begins again.
if (process.argv[2] === 'edge') startAnewWith(MEDIA_FLAGS, process.env.NODE_OPTIONS);
if (process.argv[2] === 'ingest') startAnewWith(INGEST_FLAGS, process.env.NODE_OPTIONS);
const { run } = await import('./program.ts');
// Whoever reads us (head, less) may have seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
process.exitCode = await run(process.argv.slice(2));
// A library that forgot a handle must not keep a finished command alive.
setTimeout(() => process.exit(), 1_000).unref();
