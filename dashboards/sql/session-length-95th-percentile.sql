-- How long do people stay? Median and 95th percentile of the length of ended viewer connections, per stream.
-- from DateTime = 2026-01-01 00:00:00
-- to DateTime = 2026-01-08 00:00:00
SELECT app, stream, count() AS sessions, round(quantile(0.5)(duration_seconds)) AS median_seconds, round(quantile(0.95)(duration_seconds)) AS p95_seconds
FROM connections
WHERE role = 'viewer' AND NOT is_open AND opened_at >= {from:DateTime} AND opened_at < {to:DateTime}
GROUP BY app, stream
ORDER BY sessions DESC
