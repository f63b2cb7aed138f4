-- Connections opened, publishers and viewers, by node and for the whole cluster (node = ''): per minute and, for looking
-- further back, the mean minute of each ten minutes.
CREATE OR REPLACE VIEW ${database}.opened_minutes ${on_cluster} AS
SELECT time, toStartOfTenMinutes(time) AS slot, cluster, arrayJoin(['', p.node]) AS node, sum(p.sum) AS opened
FROM ${database}.metric_1m AS p
WHERE p.metric = 'live.connections.opened' AND p.series_id NOT IN (SELECT series_id FROM ${database}.series WHERE metric = 'live.connections.opened' AND attributes['role'] = 'relay')
    AND p.time >= {from:DateTime} AND p.time < {to:DateTime}
GROUP BY time, cluster, node;

CREATE OR REPLACE VIEW ${database}.opened_slots ${on_cluster} AS
SELECT p.time AS slot, cluster, arrayJoin(['', p.node]) AS node, sum(p.sum) / 10 AS opened
FROM ${database}.metric_10m AS p
WHERE p.metric = 'live.connections.opened' AND p.series_id NOT IN (SELECT series_id FROM ${database}.series WHERE metric = 'live.connections.opened' AND attributes['role'] = 'relay')
    AND p.time >= {from:DateTime} AND p.time < {to:DateTime}
GROUP BY slot, cluster, node;

-- Connections opened per minute against a robust baseline, per node and for the whole cluster (node = '').
-- The baseline is judged per slot of ten minutes: median and median absolute deviation (MAD) of the minutes of the three
-- hours before the slot and, where there are at least two days of history, of the same time of day (+-30 min) in the week before.
-- threshold = larger median + 6 x larger deviation + floor. The deviation is at least the square root of the median (arrivals
-- are counts), a node or cluster without half an hour of history is judged by 10 x floor alone, and MAD counts as 1.4826 MAD (its size for a normal distribution). A median is not moved by a spike of an hour.
CREATE OR REPLACE VIEW ${database}.connection_spikes ${on_cluster} AS
SELECT
    m.time AS time, m.cluster AS cluster, m.node AS node, k.role AS role, m.opened AS opened,
    greatest(b.median, y.median) AS median,
    greatest(b.deviation, y.deviation, sqrt(median)) AS deviation,
    if(history_minutes < 30 AND history_days < 2, 10 * {floor:Float64}, median + 6 * deviation + {floor:Float64}) AS threshold,
    (m.opened - median) / greatest(deviation, 1) AS score,
    m.opened > threshold AS is_spike,
    b.minutes AS history_minutes, y.days AS history_days,
    arrayExists(x -> m.time + INTERVAL 1 MINUTE > x.1 AND m.time < x.2 + INTERVAL 1 MINUTE, q.spans) AS quiet
FROM
(
    SELECT time, cluster, node, sum(opened) AS opened
    FROM
    (
        SELECT time, cluster, node, opened FROM ${database}.opened_minutes(from = {from:DateTime}, to = {to:DateTime})
        UNION ALL
        SELECT arrayJoin(arrayMap(i -> toStartOfMinute({from:DateTime}) + 60 * i, range(toUInt32(intDiv(dateDiff('second', {from:DateTime}, {to:DateTime}), 60))))) AS time, n.cluster AS cluster, '' AS node, 0 AS opened
        FROM (SELECT DISTINCT cluster FROM ${database}.nodes) AS n
    )
    GROUP BY time, cluster, node
) AS m
LEFT JOIN
(
    SELECT cluster, node, slot, past AS values, length(past) AS minutes,
        if(minutes = 0, 0, arrayReduce('medianExact', past)) AS median,
        if(minutes = 0, 0, 1.4826 * arrayReduce('medianExact', arrayMap(x -> abs(x - median), past))) AS deviation
    FROM
    (
        SELECT cluster, node, slot, groupArrayArray(minutes_of_slot) OVER (PARTITION BY cluster, node ORDER BY slot_seconds RANGE BETWEEN 10800 PRECEDING AND 600 PRECEDING) AS past
        FROM
        (
            SELECT cluster, node, slot, toUInt32(slot) AS slot_seconds, groupArray(opened) AS minutes_of_slot
            FROM ${database}.opened_minutes(from = {from:DateTime} - INTERVAL 200 MINUTE, to = {to:DateTime})
            GROUP BY cluster, node, slot
        )
    )
) AS b ON b.cluster = m.cluster AND b.node = m.node AND b.slot = toStartOfTenMinutes(m.time)
LEFT JOIN
(
    SELECT cluster, node, slot, uniqExact(day) AS days,
        if(days < 2, 0, medianExact(opened)) AS median,
        if(days < 2, 0, 1.4826 * arrayReduce('medianExact', arrayMap(x -> abs(x - median), groupArray(opened)))) AS deviation
    FROM
    (
        SELECT h.cluster AS cluster, h.node AS node, h.opened AS opened, day, h.slot + INTERVAL day DAY + INTERVAL 10 * shift MINUTE AS slot
        FROM ${database}.opened_slots(from = {from:DateTime} - INTERVAL 10150 MINUTE, to = {to:DateTime}) AS h
        ARRAY JOIN [1, 2, 3, 4, 5, 6, 7] AS day
        ARRAY JOIN [-3, -2, -1, 0, 1, 2, 3] AS shift
        WHERE slot >= {from:DateTime} - INTERVAL 10 MINUTE AND slot < {to:DateTime}
            AND arrayExists(d -> h.slot + toIntervalDay(d) >= {from:DateTime} - INTERVAL 40 MINUTE AND h.slot + toIntervalDay(d) < {to:DateTime} + INTERVAL 40 MINUTE, [1, 2, 3, 4, 5, 6, 7])
    )
    GROUP BY cluster, node, slot
) AS y ON y.cluster = m.cluster AND y.node = m.node AND y.slot = toStartOfTenMinutes(m.time)
LEFT JOIN ${database}.nodes AS k ON k.cluster = m.cluster AND k.node = m.node
LEFT JOIN ${database}.node_quiet_spans AS q ON q.cluster = m.cluster AND q.node = m.node;

-- When ClickHouse's newest rows are from and what ingest says of itself, per minute and cluster.
CREATE OR REPLACE VIEW ${database}.pipeline_minutes ${on_cluster} AS
SELECT
    g.at AS time, g.cluster AS cluster,
    greatest(0, dateDiff('second', s.reported, g.at)) AS stale_seconds,
    f.lag_messages AS lag_messages, f.delay_seconds AS delay_seconds, f.dead_letters AS dead_letters, f.retries AS retries
FROM
(
    SELECT n.cluster AS cluster, arrayJoin(arrayMap(i -> {to:DateTime} - 60 * i, range(toUInt32(intDiv(dateDiff('second', {from:DateTime}, {to:DateTime}), 60))))) AS at
    FROM (SELECT cluster, min(first_seen) AS first_seen FROM ${database}.nodes GROUP BY cluster) AS n
    WHERE at > n.first_seen
) AS g
ASOF LEFT JOIN
(
    SELECT p.cluster AS cluster, p.time + {step:UInt32} AS reported
    FROM ${database}.metric_points(step = {step:UInt32}) AS p
    WHERE p.metric = 'process.uptime' AND p.time >= {from:DateTime} - toIntervalSecond(if({step:UInt32} = 5, 3600, 86400)) AND p.time < {to:DateTime}
    GROUP BY cluster, reported
) AS s ON s.cluster = g.cluster AND g.at >= s.reported
LEFT JOIN
(
    SELECT time + INTERVAL 1 MINUTE AS at, cluster,
        sumIf(mean, metric = 'weir.ingest.lag') AS lag_messages,
        maxOrNullIf(mean, metric = 'weir.ingest.delay') AS delay_seconds,
        sumIf(total, metric = 'weir.ingest.dead_letters') AS dead_letters,
        sumIf(total, metric = 'weir.ingest.retries') AS retries
    FROM
    (
        SELECT p.time AS time, p.cluster AS cluster, p.metric AS metric, p.series_id AS series_id, sum(p.sum) / sum(p.count) AS mean, sum(p.sum) AS total
        FROM ${database}.metric_1m AS p
        WHERE p.metric IN ('weir.ingest.lag', 'weir.ingest.delay', 'weir.ingest.dead_letters', 'weir.ingest.retries') AND p.time >= {from:DateTime} - INTERVAL 1 MINUTE AND p.time < {to:DateTime}
        GROUP BY time, cluster, metric, series_id
    )
    GROUP BY at, cluster
) AS f ON f.cluster = g.cluster AND f.at = toStartOfMinute(g.at);

-- How often each stream was published anew within the ten minutes before the end of a minute; rows only where it was.
CREATE OR REPLACE VIEW ${database}.publisher_flaps ${on_cluster} AS
SELECT at AS time, cluster, app, stream, count() AS publishes, uniqExact(node) AS nodes
FROM
(
    SELECT c.cluster AS cluster, c.app AS app, c.stream AS stream, c.node AS node, c.connection_id AS connection_id,
        arrayJoin(arrayMap(i -> toStartOfMinute(c.opened_at) + 60 * (i + 1), range(10))) AS at
    FROM ${database}.connection_events AS c
    WHERE c.role = 'publisher' AND c.opened_at >= {from:DateTime} - INTERVAL 10 MINUTE AND c.opened_at < {to:DateTime}
    GROUP BY cluster, app, stream, node, connection_id, at
)
WHERE at > {from:DateTime} AND at <= {to:DateTime}
GROUP BY at, cluster, app, stream;
