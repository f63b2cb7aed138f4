/**
 * `npm run dashboards:preview`: generates a week in a store of its own and draws every dashboard from it into
 * dashboards/preview. Needs Chromium (`apt-get install chromium`, or CHROMIUM=path).
 */
import { fileURLToPath } from 'node:url';
import { createLogger } from '@weir/contracts/logger';
import { connectAsk } from '@weir/dashboards/check/client';
import { drawDashboards } from '@weir/dashboards/preview/draw';
import { generateWeek } from '@weir/dashboards/week/generate';
import { migrate } from '@weir/infra/clickhouse/migrate';
import { startTestStore } from '@weir/test/harness/store';

const FOLDER = fileURLToPath(new URL('../../dashboards/preview/', import.meta.url));
/** Long enough that the planted incidents are in the picture. */
const HOURS = { cluster: 24, node: 24, streams: 24, connections: 6, failover: 24, pipeline: 72 };

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
  const files = await drawDashboards({ ask, toMs: week.endMs, hours: HOURS, folder: FOLDER, chromiumPath });
  await close();
  console.log(files.join('\n'));
} finally {
  await store.close();
}
