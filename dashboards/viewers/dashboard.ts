/** Dashboard "Viewer experience": what do viewers in browsers see, where is it bad, and what did their edge do then? */
import { FAILOVER_MARKS, NODE_MARKS } from '../build/annotations.ts';
import type { DashboardSpec } from '../build/panel-spec.ts';
import { SEEN, WHERE } from './panels.ts';

export const VIEWERS: DashboardSpec = {
  name: 'viewers',
  title: 'Weir / Viewer experience',
  description: 'What do viewers in browsers see, where is it bad, and what did their edge do then?',
  variables: ['cluster', 'node', 'app', 'stream'],
  from: 'now-6h',
  refresh: '30s',
  groups: [SEEN, WHERE],
  annotations: [FAILOVER_MARKS, NODE_MARKS],
};
