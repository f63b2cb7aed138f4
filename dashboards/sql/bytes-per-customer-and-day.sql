-- What did each customer (app) deliver, per day? Bytes the network really took, of connections that ended that day.
-- from DateTime = 2026-01-01 00:00:00
-- to DateTime = 2026-01-08 00:00:00
SELECT toDate(closed_at) AS day, app, sum(bytes_delivered) AS bytes, count() AS connections, round(sum(duration_seconds) / 3600, 1) AS viewer_hours
FROM connections
WHERE role = 'viewer' AND NOT is_open AND closed_at >= {from:DateTime} AND closed_at < {to:DateTime}
GROUP BY day, app
ORDER BY day, bytes DESC
