/** Dashboard "Streams": who watches what, is it coming in, and by which way? */
import { FAILOVER_MARKS, MOVE_MARKS } from '../build/annotations.ts';
import type { DashboardSpec } from '../build/panel-spec.ts';
import { CUSTOMERS } from './customers.ts';
import { INCOMING, WATCHING } from './panels.ts';

export const STREAMS: DashboardSpec = {
  name: 'streams',
  title: 'Weir / Streams',
  description: 'Who watches what, is it coming in, and by which way does it travel?',
  variables: ['cluster', 'node', 'app', 'stream'],
  from: 'now-1h',
  refresh: '10s',
  groups: [WATCHING, INCOMING, CUSTOMERS],
  annotations: [FAILOVER_MARKS, MOVE_MARKS],
};
