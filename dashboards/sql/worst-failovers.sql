-- Which fail-overs hurt most? Viewers times the time they waited.
-- from DateTime = 2026-01-01 00:00:00
-- to DateTime = 2026-01-08 00:00:00
SELECT time, node, app, stream, cause, from_node, to_node, gap_ms, viewers, round(viewers * gap_ms / 1000.) AS viewer_seconds
FROM failovers
WHERE time >= {from:DateTime} AND time < {to:DateTime}
ORDER BY viewer_seconds DESC
LIMIT 20
