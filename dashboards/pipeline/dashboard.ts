/** Dashboard "Pipeline": can the figures on all other dashboards be trusted? */
import { NODE_MARKS } from '../build/annotations.ts';
import type { DashboardSpec } from '../build/panel-spec.ts';
import { COPIES } from './copies.ts';
import { TRUST, WORK } from './panels.ts';

export const PIPELINE: DashboardSpec = {
  name: 'pipeline',
  title: 'Weir / Pipeline',
  description: 'Can the figures on the other dashboards be trusted, and what do they cost?',
  variables: ['cluster', 'node'],
  from: 'now-3h',
  refresh: '10s',
  groups: [TRUST, WORK, COPIES],
  annotations: [NODE_MARKS],
};
