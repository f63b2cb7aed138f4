/** Dashboard "Cluster": is the service well, and is it large enough? */
import { CLUSTER_MARKS, FAILOVER_MARKS, NODE_MARKS } from '../build/annotations.ts';
import type { DashboardSpec } from '../build/panel-spec.ts';
import { CAPACITY } from './capacity.ts';
import { HEALTH } from './health.ts';
import { LOAD } from './load.ts';

export const CLUSTER: DashboardSpec = {
  name: 'cluster',
  title: 'Weir / Cluster',
  description: 'Is everybody there, how much is going on, and is it time to add or take away machines?',
  variables: ['cluster', 'node'],
  from: 'now-1h',
  refresh: '5s',
  groups: [HEALTH, LOAD, CAPACITY],
  annotations: [FAILOVER_MARKS, CLUSTER_MARKS, NODE_MARKS],
};
