-- What each app (a customer's channel) used in the whole cluster: app_usage(from, to, step = 60 | 300 | 600 | 3600 | 86400 |
-- 604800), one row per app and step, read from the rollup of that step. Bytes are those on the sockets of its publishers and
-- viewers, by any protocol; relays between nodes are not in them. Means are over the whole step (over what has passed of the
-- newest one), so that steps can be added up: viewer_seconds / 3600 are viewer hours. Samples are 5 s apart.
CREATE OR REPLACE VIEW ${database}.app_usage ${on_cluster} AS
SELECT
    f.time AS time, f.cluster AS cluster, f.app AS app, f.nodes AS nodes,
    f.viewer_samples * 5 AS viewer_seconds,
    f.publisher_samples * 5 AS publisher_seconds,
    least({step:UInt32}, greatest(5, dateDiff('second', f.time, now('UTC')))) AS seconds,
    viewer_seconds / seconds AS viewers,
    publisher_seconds / seconds AS publishers,
    f.viewers_max AS viewers_max, f.publishers_max AS publishers_max,
    toUInt64(f.bytes_in) AS bytes_in, toUInt64(f.bytes_out) AS bytes_out,
    f.bytes_in * 8 / seconds AS bits_in, f.bytes_out * 8 / seconds AS bits_out
FROM
(
    SELECT time, cluster, app,
        uniqExact(node) AS nodes,
        sumIf(total, metric = 'live.app.viewers') AS viewer_samples,
        sumIf(total, metric = 'live.app.publishers') AS publisher_samples,
        -- Each node's highest, added up: at most so many at once.
        sumIf(highest, metric = 'live.app.viewers') AS viewers_max,
        sumIf(highest, metric = 'live.app.publishers') AS publishers_max,
        sumIf(total, metric = 'live.app.io' AND direction = 'receive') AS bytes_in,
        sumIf(total, metric = 'live.app.io' AND direction = 'transmit') AS bytes_out
    FROM
    (
        SELECT p.time AS time, p.cluster AS cluster, p.node AS node, p.metric AS metric, s.attributes['app'] AS app,
            s.attributes['network.io.direction'] AS direction, p.series_id AS series_id, sum(p.sum) AS total, max(p.max) AS highest
        FROM ${database}.metric_points(step = {step:UInt32}) AS p
        INNER JOIN (SELECT series_id, attributes FROM ${database}.series WHERE metric IN ('live.app.viewers', 'live.app.publishers', 'live.app.io')) AS s ON s.series_id = p.series_id
        WHERE p.metric IN ('live.app.viewers', 'live.app.publishers', 'live.app.io') AND p.time >= {from:DateTime} AND p.time < {to:DateTime}
        GROUP BY time, cluster, node, metric, app, direction, series_id
    )
    GROUP BY time, cluster, app
) AS f;
