-- pipeline_minutes of 0013 without clusters that are no more: one whose nodes are all retired, or that nobody has heard of for
-- a week (as node_silence forgets nodes), was called blind for ever.
CREATE OR REPLACE VIEW ${database}.pipeline_minutes ${on_cluster} AS
SELECT
    g.at AS time, g.cluster AS cluster,
    greatest(0, dateDiff('second', s.reported, g.at)) AS stale_seconds,
    f.lag_messages AS lag_messages, f.delay_seconds AS delay_seconds, f.dead_letters AS dead_letters, f.retries AS retries
FROM
(
    SELECT m.cluster AS cluster, arrayJoin(arrayMap(i -> {to:DateTime} - 60 * i, range(toUInt32(intDiv(dateDiff('second', {from:DateTime}, {to:DateTime}), 60))))) AS at
    FROM ${database}.node_memberships AS m
    INNER JOIN ${database}.nodes AS n ON n.cluster = m.cluster AND n.node = m.node
    WHERE at > n.first_seen AND at > m.since AND at < m.until AND n.last_seen > at - INTERVAL 7 DAY
    GROUP BY cluster, at
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

-- stream_minutes of 0012 with the video frames apart: `frames` has those of sound too, which says that somebody sends but not
-- how many pictures a second.
CREATE OR REPLACE VIEW ${database}.stream_minutes ${on_cluster} AS
SELECT time, cluster, app, stream,
    sumIf(mean, metric = 'live.stream.viewers') AS viewers,
    uniqExactIf(node, metric = 'live.stream.viewers') AS nodes,
    sumIf(total, metric = 'live.stream.frames') AS frames,
    sumIf(total, metric = 'live.stream.frames' AND media = 'video') AS video_frames,
    maxOrNullIf(mean, metric = 'live.stream.bitrate') AS bitrate_bits
FROM
(
    SELECT p.time AS time, p.cluster AS cluster, p.node AS node, p.metric AS metric, s.attributes['app'] AS app, s.attributes['stream'] AS stream, s.attributes['media'] AS media, p.series_id AS series_id,
        sum(p.sum) / sum(p.count) AS mean, sum(p.sum) AS total
    FROM ${database}.metric_1m AS p
    INNER JOIN (SELECT series_id, attributes FROM ${database}.series WHERE metric IN ('live.stream.viewers', 'live.stream.frames', 'live.stream.bitrate')) AS s ON s.series_id = p.series_id
    WHERE p.metric IN ('live.stream.viewers', 'live.stream.frames', 'live.stream.bitrate') AND p.time >= {from:DateTime} AND p.time < {to:DateTime}
    GROUP BY time, cluster, node, metric, app, stream, media, series_id
)
GROUP BY time, cluster, app, stream;
