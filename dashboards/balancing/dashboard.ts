/** Dashboard "Load balancing": who holds the virtual addresses, who gets the viewers, what does DNS answer? */
import { DIRECTOR_MARKS } from '../build/annotations.ts';
import type { DashboardSpec } from '../build/panel-spec.ts';
import { DIRECTORS } from './directors.ts';
import { NAMES } from './names.ts';
import { SPREAD } from './spread.ts';

export const BALANCING: DashboardSpec = {
  name: 'balancing',
  title: 'Weir / Load balancing',
  description: 'Who holds the virtual addresses, are viewers spread as they should be, and what does DNS answer?',
  variables: ['cluster', 'node'],
  from: 'now-3h',
  refresh: '10s',
  groups: [DIRECTORS, SPREAD, NAMES],
  annotations: [DIRECTOR_MARKS],
};
