-- Which edges held their event loop longest in one write to all viewers, when, and how wide was their merge window at most?
-- from DateTime = 2026-01-01 00:00:00
-- to DateTime = 2026-01-08 00:00:00
SELECT node, round(maxIf(p.max, metric = 'live.merge.flush'), 4) AS longest_flush_seconds, argMaxIf(p.time, p.max, metric = 'live.merge.flush') AS at,
    round(maxIf(p.max, metric = 'live.merge.window'), 3) AS widest_window_seconds
FROM metric_points(step = 60) AS p
WHERE metric IN ('live.merge.flush', 'live.merge.window') AND p.time >= {from:DateTime} AND p.time < {to:DateTime}
GROUP BY node
HAVING longest_flush_seconds > 0
ORDER BY longest_flush_seconds DESC
LIMIT 20
