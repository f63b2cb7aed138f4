-- What viewers saw, for people: per minute, per session, and per connection beside what the edge counted.

-- One row per minute, stream and edge.
CREATE OR REPLACE VIEW ${database}.viewer_experience ${on_cluster} AS
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
GROUP BY time, cluster, app, stream, node;

-- One row per viewer's session and stream.
CREATE OR REPLACE VIEW ${database}.viewer_sessions ${on_cluster} AS
SELECT
    v.cluster AS cluster, v.session_id AS session_id, v.app AS app, v.stream AS stream,
    min(v.time) AS first_seen, max(v.time) AS last_seen,
    arraySort(groupUniqArrayIf(v.node, v.node != '')) AS nodes,
    anyLast(v.browser) AS browser, anyLast(v.os) AS os, anyLast(v.context['client.subnet']) AS subnet,
    anyLast(v.context['transport']) AS transport,
    minIfOrNull(v.values['total_ms'], v.type = 'player.start') AS start_ms,
    countIf(v.type = 'player.stall') AS stalls,
    sumIf(v.values['duration_ms'], v.type = 'player.stall') / 1000 AS stalled_seconds,
    sumIf(v.values['watched_ms'], v.type = 'player.heartbeat') / 1000 AS watched_seconds,
    countIf(v.type = 'player.reconnect') AS reconnects,
    avgIfOrNull(v.values['delay_ms'], v.type = 'player.heartbeat' AND mapContains(v.values, 'delay_ms')) AS delay_ms
FROM ${database}.viewer_measurements AS v
WHERE v.session_id != '' AND v.type IN ('player.start', 'player.stall', 'player.heartbeat', 'player.reconnect')
GROUP BY cluster, session_id, app, stream;

-- One row per viewer's connection: what the edge sent beside what the viewer saw. Machine and site are the connection's.
CREATE OR REPLACE VIEW ${database}.viewer_connections ${on_cluster} AS
SELECT
    c.opened_at AS opened_at, c.closed_at AS closed_at, c.duration_seconds AS duration_seconds, c.is_open AS is_open,
    c.cluster AS cluster, c.site AS site, c.machine_id AS machine_id, c.node AS node,
    c.connection_id AS connection_id, c.session_id AS session_id, c.protocol AS protocol, c.app AS app, c.stream AS stream,
    c.reason AS reason, c.bytes_delivered AS bytes_delivered, c.frames_dropped AS frames_not_sent,
    v.browser AS browser, v.subnet AS subnet,
    v.start_ms AS start_ms, v.stalls AS stalls, v.stalled_seconds AS stalled_seconds, v.watched_seconds AS watched_seconds,
    v.frames_dropped AS frames_not_shown, v.delay_ms AS delay_ms, v.measurements AS measurements
FROM ${database}.connections AS c
INNER JOIN
(
    SELECT
        cluster, context['connection'] AS connection, anyLast(browser) AS browser, anyLast(context['client.subnet']) AS subnet,
        minIfOrNull(values['total_ms'], type = 'player.start') AS start_ms,
        countIf(type = 'player.stall') AS stalls,
        sumIf(values['duration_ms'], type = 'player.stall') / 1000 AS stalled_seconds,
        sumIf(values['watched_ms'], type = 'player.heartbeat') / 1000 AS watched_seconds,
        sumIf(values['frames_dropped'], type = 'player.heartbeat') AS frames_dropped,
        avgIfOrNull(values['delay_ms'], type = 'player.heartbeat' AND mapContains(values, 'delay_ms')) AS delay_ms,
        count() AS measurements
    FROM ${database}.viewer_measurements
    WHERE context['connection'] != ''
    GROUP BY cluster, connection
) AS v ON v.connection = toString(c.connection_id) AND v.cluster = c.cluster;
