/** Marks that several dashboards put on their time axes. */
import { TABLE, VIEW } from '@weir/contracts/tables';
import { picked } from './filters.ts';
import type { AnnotationSpec } from './panel-spec.ts';

/** Fail-overs, those of one minute and cause as one mark. */
export const FAILOVER_MARKS: AnnotationSpec = {
  name: 'Fail-overs',
  color: 'orange',
  sql: `SELECT toStartOfMinute(f.time) AS time, concat(toString(count()), ' streams switched (', cause, '), worst gap ', toString(max(gap_ms)), ' ms, ', toString(sum(viewers)), ' viewers') AS text, cause AS tags
FROM ${TABLE.failovers} AS f
WHERE $__timeFilter(f.time) AND ${picked('cluster', 'cluster')}
GROUP BY time, cause
ORDER BY time DESC LIMIT 500`,
};

/** Nodes that came or went, edges that were elected origin or relieved. */
export const CLUSTER_MARKS: AnnotationSpec = {
  name: 'Changes of the cluster',
  color: 'green',
  sql: `SELECT e.time AS time, concat(e.node, ' ', e.event, if(e.cause = '', '', concat(' (', e.cause, ')')), ', seen by ', e.seen_by) AS text, e.event AS tags
FROM ${TABLE.clusterEvents} AS e
WHERE $__timeFilter(e.time) AND ${picked('cluster', 'cluster')} AND ${picked('node', 'node')}
ORDER BY time DESC LIMIT 500`,
};

/** Names of streams that went from one node to another, or whose publisher here gave way to one elsewhere. */
export const MOVE_MARKS: AnnotationSpec = {
  name: 'Publishers that moved',
  color: 'pink',
  sql: `SELECT c.time AS time, concat(c.app, '/', c.stream, ' ', c.change, ' (', c.cause, '): ', c.from_node, ' → ', c.to_node) AS text, c.change AS tags
FROM ${TABLE.streamChanges} AS c
WHERE $__timeFilter(c.time) AND c.from_node != '' AND c.to_node != '' AND c.from_node != c.to_node AND ${picked('cluster', 'cluster')} AND ${picked('app', 'app')} AND ${picked('stream', 'stream')}
ORDER BY time DESC LIMIT 500`,
};

/** Directors that took a virtual address over, and those that fell out. */
export const DIRECTOR_MARKS: AnnotationSpec = {
  name: 'Directors',
  color: 'pink',
  sql: `SELECT d.time AS time, concat(d.node, ': ', d.vrrp_group, ' ', d.before, ' → ', d.state) AS text, d.state AS tags
FROM ${TABLE.directorChanges} AS d
WHERE $__timeFilter(d.time) AND d.state IN ('master', 'fault', 'stopped') AND ${picked('cluster', 'cluster')} AND ${picked('node', 'node')}
ORDER BY time DESC LIMIT 500`,
};

/** What was said of nodes: draining, back in service, retired. */
export const NODE_MARKS: AnnotationSpec = {
  name: 'Nodes drained or retired',
  color: 'sky',
  sql: `SELECT since AS time, least(until, $__toTime) AS timeEnd, concat(node, ' ', mark, if(reason = '', '', concat(': ', reason))) AS text, mark AS tags
FROM ${VIEW.nodeMarkIntervals}
WHERE since <= $__toTime AND until >= $__fromTime AND mark IN ('draining', 'retired') AND ${picked('cluster', 'cluster')} AND ${picked('node', 'node')}
ORDER BY time DESC LIMIT 500`,
};
