/** Dashboard "Node": what is the matter with this machine and the node on it? */
import { FAILOVER_MARKS, NODE_MARKS } from '../build/annotations.ts';
import type { DashboardSpec } from '../build/panel-spec.ts';
import { MACHINE } from './machine.ts';
import { MEDIA } from './media.ts';

export const NODE: DashboardSpec = {
  name: 'node',
  title: 'Weir / Node',
  description: 'What is the matter with this machine and the node on it?',
  variables: ['cluster', 'node'],
  from: 'now-1h',
  refresh: '5s',
  groups: [MACHINE, MEDIA],
  annotations: [FAILOVER_MARKS, NODE_MARKS],
};
