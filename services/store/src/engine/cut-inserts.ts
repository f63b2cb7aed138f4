/**
 * Inserts that a kill cut off between two steps of ClickHouse. An unreplicated MergeTree writes an insert's token into its
 * log of tokens and only then makes the part visible; ended in between, the rows are gone but their token says that they
 * are there, and the same batch sent again would be left out for ever (in one rollup of several, say). Before it: data
 * that nobody has opened yet; after it: the engine, which takes such a batch once more.
 */
import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '@weir/contracts/logger';

/** `<partition>_<first block>_<last block>_<level>[_<mutation>]`; temporary ones begin with other words. */
const PART = /^([^_]+)_(\d+)_(\d+)_(\d+)(?:_\d+)?$/;
/** Lines `<operation> <part> <token>` in files that are numbered as they are rotated. */
const LOG = /^deduplication_log_(\d+)\.txt$/;
const LOGS = 'deduplication_logs';
const ADDED = '1';
const DROPPED = '2';
/** A record may be the first of a new file. */
const FILES_READ = 2;

/**
 * Takes the tokens of parts that never became visible out of the logs below `storeDir` (`<data>/store`), which no engine may
 * have open; how many. Part numbers rise with each insert and are given under the lock under which both steps are done,
 * so such a part is above all that are there. A part above all others that was dropped later loses its token too: that
 * batch was taken, and is older than anything that can come again.
 */
export function forgetCutInserts(storeDir: string, logger: Logger): number {
  if (!existsSync(storeDir)) return 0;
  let forgotten = 0;
  for (const shelf of readdirSync(storeDir))
    for (const table of readdirSync(join(storeDir, shelf))) {
      const folder = join(storeDir, shelf, table);
      if (existsSync(join(folder, LOGS))) forgotten += forgetIn(folder, logger);
    }
  return forgotten;
}

function forgetIn(folder: string, logger: Logger): number {
  const logs = readdirSync(join(folder, LOGS))
    .map((name) => ({ path: join(folder, LOGS, name), number: Number(LOG.exec(name)?.[1]) }))
    .filter(({ number }) => Number.isInteger(number))
    .sort((a, b) => a.number - b.number)
    .slice(-FILES_READ);
  const newest = logs.at(-1);
  if (newest === undefined) return 0;
  const text = logs.map(({ path }) => readFileSync(path, 'utf8')).join('');
  if (text !== '' && !text.endsWith('\n')) {
    logger.warn({ log: newest.path }, 'the log of tokens ends in the middle of a line and is left as it is');
    return 0;
  }
  const highest = readdirSync(folder).reduce((most, name) => Math.max(most, Number(PART.exec(name)?.[3] ?? 0)), 0);
  const cut = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [operation, part = '', token = ''] = line.split('\t');
    if (operation === DROPPED) cut.delete(token);
    else if (operation === ADDED && Number(PART.exec(part)?.[2] ?? 0) > highest) cut.set(token, part);
  }
  if (cut.size === 0) return 0;
  appendFileSync(newest.path, [...cut].map(([token, part]) => `${DROPPED}\t${part}\t${token}\n`).join(''));
  logger.warn(
    { folder, parts: [...cut.values()] },
    'inserts were cut off before their rows were there: they may come again',
  );
  return cut.size;
}
