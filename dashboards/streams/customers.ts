/** Streams, third row: what each app, which is a customer's channel, used in the range: what a bill or a limit goes by. */
import { VIEW } from '@weir/contracts/tables';
import { picked } from '../build/filters.ts';
import { levelExpressions } from '../build/levels.ts';
import { metricSql } from '../build/metric-sql.ts';
import type { PanelGroup } from '../build/panel-spec.ts';

/** Whole steps of the level, by the view that a bill would ask too. */
const used = `WITH ${levelExpressions()}
SELECT u.app AS app, sum(u.viewer_seconds) / 3600 AS viewer_hours, max(u.viewers_max) AS most_at_once, sum(u.bytes_out) AS delivered, sum(u.bytes_in) AS received, sum(u.publisher_seconds) / 3600 AS published_hours, max(u.nodes) AS nodes
FROM ${VIEW.appUsage}(from = range_from, to = range_to, step = toUInt32(greatest(step, 60))) AS u
WHERE ${picked('u.cluster', 'cluster')} AND ${picked('u.app', 'app')}
GROUP BY app
ORDER BY viewer_hours DESC
LIMIT 500`;

/** Panels of the row. */
export const CUSTOMERS: PanelGroup = {
  title: 'What did each customer use?',
  panels: [
    {
      id: 40,
      kind: 'table',
      title: 'Apps in this range',
      description:
        'Each app over all its streams and edges: hours watched and published, most viewers at once, bytes on the sockets of its clients. Relays between nodes are not in it. The same view (app_usage) answers in SQL, per step.',
      queries: [{ refId: 'A', sql: used }],
      // a sum over the range needs no fine steps
      points: 50,
      width: 12,
      height: 9,
      fields: {
        app: { name: 'App', link: { title: 'Only this app', dashboard: 'streams', values: { app: 'App' } } },
        viewer_hours: { name: 'Viewer-hours', decimals: 1, cell: 'gauge' },
        most_at_once: { name: 'Most at once', decimals: 0 },
        delivered: { name: 'Delivered', unit: 'bytes' },
        received: { name: 'Received', unit: 'bytes' },
        published_hours: { name: 'Published, h', decimals: 1 },
        nodes: { name: 'Edges', decimals: 0 },
      },
    },
    {
      id: 41,
      kind: 'timeseries',
      title: 'Delivered to viewers by app',
      description:
        'Bits a second handed to the viewers of each app by all edges, the ten largest. One app far above its plan: talk to the customer before the cards are full.',
      queries: [
        {
          refId: 'A',
          sql: metricSql({
            metric: 'live.app.io',
            where: { 'network.io.direction': 'transmit' },
            by: { app: "attributes['app']" },
            byApp: true,
            fold: 'rate',
            across: 'sum',
            scale: 8,
            as: 'bits',
            top: 10,
          }),
        },
      ],
      unit: 'bps',
      legend: 'app',
      stacked: true,
      width: 12,
      height: 9,
    },
  ],
};
