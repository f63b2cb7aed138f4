-- What viewers in browsers saw, for dashboards of any range and for alert rules.

-- One door to all levels: viewer_points(step = 60 | 3600 | 86400 | 604800), the width of a row in seconds; other levels are not read.
CREATE OR REPLACE VIEW ${database}.viewer_points ${on_cluster} AS
SELECT time, cluster, app, stream, node, sessions, stalled_sessions, starts, start_ms, stalls, stall_ms, watched_ms, delays, delay_ms, reconnects FROM ${database}.viewer_1m WHERE {step:UInt32} = 60
UNION ALL
SELECT time, cluster, app, stream, node, sessions, stalled_sessions, starts, start_ms, stalls, stall_ms, watched_ms, delays, delay_ms, reconnects FROM ${database}.viewer_1h WHERE {step:UInt32} = 3600
UNION ALL
SELECT time, cluster, app, stream, node, sessions, stalled_sessions, starts, start_ms, stalls, stall_ms, watched_ms, delays, delay_ms, reconnects FROM ${database}.viewer_1d WHERE {step:UInt32} = 86400
UNION ALL
SELECT time, cluster, app, stream, node, sessions, stalled_sessions, starts, start_ms, stalls, stall_ms, watched_ms, delays, delay_ms, reconnects FROM ${database}.viewer_1w WHERE {step:UInt32} = 604800;

-- The last {minutes} minutes before the end of each minute, per edge (scope 'edge', subject its name) and per stream over all
-- edges (scope 'stream', subject app/stream). Rules take their floors from sessions, stalled_sessions, starts and delays: with
-- few viewers a share says nothing. An edge is quiet while it drains or is retired.
CREATE OR REPLACE VIEW ${database}.viewer_windows ${on_cluster} AS
SELECT
    f.time AS time, f.cluster AS cluster, f.scope AS scope, f.subject AS subject,
    f.sessions AS sessions, f.stalled_sessions AS stalled_sessions, f.stalled_sessions / greatest(f.sessions, 1) AS stalled_share,
    f.stall_seconds AS stall_seconds, f.stall_seconds / greatest(f.stall_seconds + f.watched_seconds, 1) AS stall_ratio,
    f.starts AS starts, if(f.starts = 0, 0, f.start_quantiles[2] / 1000) AS start_p95_seconds,
    f.delays AS delays, if(f.delays = 0, 0, f.delay_quantiles[1] / 1000) AS delay_p50_seconds,
    f.scope = 'edge' AND arrayExists(x -> f.time > x.1 AND f.time < x.2 + INTERVAL 1 MINUTE, q.spans) AS quiet
FROM
(
    SELECT
        v.time + 60 * (1 + back) AS time, v.cluster AS cluster, who.1 AS scope, who.2 AS subject,
        uniqMerge(v.sessions) AS sessions, uniqMerge(v.stalled_sessions) AS stalled_sessions,
        sum(v.stall_ms) / 1000 AS stall_seconds, sum(v.watched_ms) / 1000 AS watched_seconds,
        sum(v.starts) AS starts, quantilesTDigestMerge(0.5, 0.95, 0.99)(v.start_ms) AS start_quantiles,
        sum(v.delays) AS delays, quantilesTDigestMerge(0.5, 0.95, 0.99)(v.delay_ms) AS delay_quantiles
    FROM ${database}.viewer_1m AS v
    ARRAY JOIN [('edge', toString(v.node)), ('stream', concat(v.app, '/', v.stream))] AS who
    ARRAY JOIN range({minutes:UInt32}) AS back
    WHERE v.time >= toStartOfMinute({from:DateTime}) - 60 * ({minutes:UInt32} + 1) AND v.time < {to:DateTime} AND who.2 NOT IN ('', '/')
        AND v.time + 60 * (1 + back) > {from:DateTime} AND v.time + 60 * (1 + back) <= {to:DateTime}
    GROUP BY time, cluster, scope, subject
) AS f
LEFT JOIN ${database}.node_quiet_spans AS q ON q.cluster = f.cluster AND q.node = f.subject;
