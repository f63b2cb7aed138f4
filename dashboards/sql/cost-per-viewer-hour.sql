-- What does an hour of one viewer cost? Machines that ran, at a price per hour, over the hours viewers watched.
-- from DateTime = 2026-01-01 00:00:00
-- to DateTime = 2026-01-08 00:00:00
-- price Float64 = 0.05
WITH
    (SELECT uniqExact(machine_id, time) FROM metric_points(step = 3600) WHERE metric = 'system.memory.limit' AND time >= {from:DateTime} AND time < {to:DateTime}) AS machine_hours,
    (
        SELECT sum(mean) FROM
        (
            SELECT time, p.series_id, sum(p.sum) / sum(p.count) AS mean
            FROM metric_points(step = 3600) AS p
            WHERE metric = 'live.connections' AND time >= {from:DateTime} AND time < {to:DateTime}
                AND series_id IN (SELECT series_id FROM series WHERE metric = 'live.connections' AND attributes['role'] = 'viewer')
            GROUP BY time, p.series_id
        )
    ) AS watched
SELECT machine_hours, round(watched) AS viewer_hours, machine_hours * {price:Float64} AS cost, cost / watched AS cost_per_viewer_hour
