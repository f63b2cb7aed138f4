-- Which streams went from one node to another, when, and why? One name over and over, newest-wins: two encoders use it.
-- from DateTime = 2026-01-01 00:00:00
-- to DateTime = 2026-01-08 00:00:00
SELECT time, app, stream, change, cause, from_node, to_node
FROM stream_changes
WHERE time >= {from:DateTime} AND time < {to:DateTime} AND from_node != '' AND to_node != '' AND from_node != to_node
ORDER BY time, change
LIMIT 1000
