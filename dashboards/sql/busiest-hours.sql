-- When are we busiest? Mean viewers per hour of the day and day of the week, for planning maintenance.
-- from DateTime = 2026-01-01 00:00:00
-- to DateTime = 2026-01-08 00:00:00
SELECT hour, round(avg(viewers)) AS mean_viewers, round(max(viewers)) AS most_viewers
FROM
(
    SELECT time, toHour(time) AS hour, sum(mean) AS viewers
    FROM
    (
        SELECT p.time AS time, p.series_id, sum(p.sum) / sum(p.count) AS mean
        FROM metric_points(step = 3600) AS p
        WHERE p.metric = 'live.connections' AND p.time >= {from:DateTime} AND p.time < {to:DateTime}
            AND p.series_id IN (SELECT series_id FROM series WHERE metric = 'live.connections' AND attributes['role'] = 'viewer')
        GROUP BY time, p.series_id
    )
    GROUP BY time
)
GROUP BY hour
ORDER BY mean_viewers DESC
