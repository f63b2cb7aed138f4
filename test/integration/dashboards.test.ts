/**
 * Dashboards, alert rules and SQL examples on a generated week, by the real engine: one week for all of them, because making
 * it is the dear part. The tests themselves are in dashboards/*.ts.
 */
import { after, before, describe } from 'node:test';
import { startTestWeek, type TestWeek } from '@weir/test/harness/week';
import { testAlerts } from './dashboards/alerts.ts';
import { testChanges } from './dashboards/changes.ts';
import { testPlanted } from './dashboards/planted.ts';
import { testQueries } from './dashboards/queries.ts';
import { testQuestions } from './dashboards/questions.ts';

describe('on a generated week of a 20-node cluster', { timeout: 900_000 }, () => {
  let week: TestWeek | undefined;
  before(async () => {
    week = await startTestWeek();
  });
  after(() => week?.close());
  const get = (): TestWeek => {
    if (!week) throw new Error('The week was not made.');
    return week;
  };
  testQueries(get);
  testPlanted(get);
  testChanges(get);
  testQuestions(get);
  testAlerts(get);
});
