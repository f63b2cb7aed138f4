/** Dashboard "Connections": is this many usual, and who are they? */

import { NODE_MARKS } from '../build/annotations.ts';
import type { DashboardSpec } from '../build/panel-spec.ts';
import { FLOW, SOURCES, SPIKE_PANELS } from './panels.ts';

export const CONNECTIONS: DashboardSpec = {
  name: 'connections',
  title: 'Weir / Connections',
  description: 'Are so many connections usual, who are they, and why do they end?',
  variables: ['cluster', 'node', 'app', 'stream'],
  addressBox: true,
  from: 'now-1h',
  refresh: '30s',
  groups: [SPIKE_PANELS, FLOW, SOURCES],
  annotations: [NODE_MARKS],
};
