/**
 * `npm run dashboards:preview [-- cluster node …]`: generates a week in a store of its own and draws every dashboard, or
 * those that are named, from it into dashboards/preview. Needs Chromium (`apt-get install chromium`, or CHROMIUM=path).
 */
import { fileURLToPath } from 'node:url';
import { createLogger } from '@weir/contracts/logger';
import { connectAsk } from '@weir/dashboards/check/client';
import { drawDashboards } from '@weir/dashboards/preview/draw';
import { generateWeek } from '@weir/dashboards/week/generate';
import { migrate } from '@weir/infra/clickhouse/migrate';
import { startTestStore } from '@weir/test/harness/store';

const FOLDER = fileURLToPath(new URL('../../dashboards/preview/', import.meta.url));

const store = await startTestStore({ maxExecutionSeconds: 60 });
try {
  const { name: user, password } = store.writer;
  await migrate({
    url: store.url,
    user,
    password,
    database: 'weir',
    cluster: '',
    logger: createLogger('preview', 'warn'),
  });
  const writer = store.client({ request_timeout: 300_000 });
  const execute = async (sql: string): Promise<void> => {
    await writer.command({ query: sql });
  };
  const week = await generateWeek({ execute, database: 'weir', endMs: Date.now() });
  const reader = { url: store.url, user: store.reader.name, password: store.reader.password, database: 'weir' };
  const { ask, close } = connectAsk(reader);
  const chromiumPath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  // six minutes into the slow edge: there is something to see
  const toMs = (week.incidents.get('edge-slow')?.startMs ?? week.endMs) + 360_000;
  const spike = (week.incidents.get('connection-spike')?.endMs ?? week.endMs) + 600_000;
  const lost = (week.incidents.get('origin-lost')?.endMs ?? week.endMs) + 1_800_000;
  const ranges = {
    cluster: { hours: 24, toMs },
    node: { hours: 24, toMs },
    viewers: { hours: 2, toMs },
    streams: { hours: 24 },
    connections: { hours: 6, toMs: spike },
    failover: { hours: 36, toMs: lost },
    balancing: { hours: 24, toMs: (week.incidents.get('director-dead')?.startMs ?? week.endMs) + 360_000 },
    pipeline: { hours: 72 },
  };
  const only = process.argv.slice(2);
  // whole ten minutes: no last point of half a step, as the week ends there
  const end = Math.floor(week.endMs / 600_000) * 600_000;
  const files = await drawDashboards({ ask, toMs: end, ranges, folder: FOLDER, only, chromiumPath });
  await close();
  console.log(files.join('\n'));
} finally {
  await store.close();
}
