/** Dashboard "Fail-over": what was switched, how long did viewers wait, and who can take over next? */
import { CLUSTER_MARKS, NODE_MARKS } from '../build/annotations.ts';
import type { DashboardSpec } from '../build/panel-spec.ts';
import { CHANGES } from './changes.ts';
import { STANDBY, SWITCHES } from './panels.ts';

export const FAILOVER: DashboardSpec = {
  name: 'failover',
  title: 'Weir / Fail-over',
  description: 'What was switched, how long did viewers wait, and who can take over next?',
  variables: ['cluster', 'node', 'app', 'stream'],
  from: 'now-24h',
  refresh: '30s',
  groups: [SWITCHES, CHANGES, STANDBY],
  annotations: [CLUSTER_MARKS, NODE_MARKS],
};
