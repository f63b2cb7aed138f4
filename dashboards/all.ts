/** All dashboards, in the order people go through them. */
import { BALANCING } from './balancing/dashboard.ts';
import type { DashboardSpec } from './build/panel-spec.ts';
import { CLUSTER } from './cluster/dashboard.ts';
import { CONNECTIONS } from './connections/dashboard.ts';
import { FAILOVER } from './failover/dashboard.ts';
import { NODE } from './node/dashboard.ts';
import { PIPELINE } from './pipeline/dashboard.ts';
import { STREAMS } from './streams/dashboard.ts';
import { VIEWERS } from './viewers/dashboard.ts';

export const ALL_DASHBOARDS: readonly DashboardSpec[] = [
  CLUSTER,
  NODE,
  STREAMS,
  CONNECTIONS,
  FAILOVER,
  VIEWERS,
  BALANCING,
  PIPELINE,
];
