-- Where the edges stand that served viewers. A browser knows its edge by name and nothing of machines (machine_id is no
-- secret to give away), so site and machine_id of what it sends are empty; here they are those of the edge.
ALTER TABLE ${database}.viewer_measurements ${on_cluster} COMMENT COLUMN site 'Empty: see viewer_places', COMMENT COLUMN machine_id 'Empty: see viewer_places';
ALTER TABLE ${database}.viewer_events ${on_cluster} COMMENT COLUMN site 'Empty: see viewer_places', COMMENT COLUMN machine_id 'Empty: see viewer_places';
ALTER TABLE ${database}.viewer_spans ${on_cluster} COMMENT COLUMN site 'Empty: a span names no edge', COMMENT COLUMN machine_id 'Empty: a span names no edge';

-- One row per measurement, with the edge's site and machine.
CREATE OR REPLACE VIEW ${database}.viewer_places ${on_cluster} AS
SELECT
    m.time AS time, m.cluster AS cluster, n.site AS site, n.machine_id AS machine_id, m.node AS node, m.app AS app, m.stream AS stream,
    m.session_id AS session_id, m.type AS type, m.values AS values, m.context AS context, m.page_url AS page_url, m.browser AS browser, m.os AS os
FROM ${database}.viewer_measurements AS m
LEFT JOIN ${database}.nodes AS n ON n.cluster = m.cluster AND n.node = m.node;

-- One row per minute, stream and edge, as before, with the edge's site and machine.
CREATE OR REPLACE VIEW ${database}.viewer_experience ${on_cluster} AS
SELECT e.*, n.site AS site, n.machine_id AS machine_id
FROM
(
    SELECT
        v.time AS time, v.cluster AS cluster, v.app AS app, v.stream AS stream, v.node AS node,
        uniqMerge(v.sessions) AS sessions,
        uniqMerge(v.stalled_sessions) AS stalled_sessions,
        stalled_sessions / greatest(sessions, 1) AS stalled_share,
        sum(v.starts) AS starts,
        quantilesTDigestMerge(0.5, 0.95, 0.99)(v.start_ms) AS start_quantiles,
        start_quantiles[1] AS start_p50_ms, start_quantiles[2] AS start_p95_ms, start_quantiles[3] AS start_p99_ms,
        sum(v.stalls) AS stalls,
        sum(v.stall_ms) / 1000 AS stalled_seconds,
        max(v.longest_stall_ms) / 1000 AS longest_stall_seconds,
        sum(v.watched_ms) / 1000 AS watched_seconds,
        stalled_seconds / greatest(stalled_seconds + watched_seconds, 0.001) AS stall_ratio,
        quantilesTDigestMerge(0.5, 0.95, 0.99)(v.delay_ms) AS delay_quantiles,
        delay_quantiles[1] AS delay_p50_ms, delay_quantiles[2] AS delay_p95_ms,
        sum(v.frames_decoded) AS frames_decoded,
        sum(v.frames_dropped) AS frames_dropped,
        sum(v.reconnects) AS reconnects
    FROM ${database}.viewer_1m AS v
    GROUP BY time, cluster, app, stream, node
) AS e
LEFT JOIN ${database}.nodes AS n ON n.cluster = e.cluster AND n.node = e.node;
