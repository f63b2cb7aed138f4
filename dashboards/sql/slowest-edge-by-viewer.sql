-- Which edge serves its viewers worst? Share of viewers put out as too slow, and of queued bytes the network never took.
-- from DateTime = 2026-01-01 00:00:00
-- to DateTime = 2026-01-08 00:00:00
SELECT node, count() AS viewers, countIf(reason = 'slow-viewer') AS put_out, round(put_out / viewers, 4) AS share,
    round(1 - sum(bytes_delivered) / sum(bytes_queued), 4) AS not_delivered, sum(frames_dropped) AS frames_dropped
FROM connections
WHERE role = 'viewer' AND NOT is_open AND closed_at >= {from:DateTime} AND closed_at < {to:DateTime}
GROUP BY node
ORDER BY share DESC
