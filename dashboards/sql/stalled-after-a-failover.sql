-- Which viewers stalled within ten seconds after a fail-over, by edge? Joins what browsers reported with what the edge did.
-- from DateTime = 2026-01-01 00:00:00
-- to DateTime = 2026-01-08 00:00:00
SELECT m.node AS node, uniqExact(m.session_id) AS sessions, count() AS stalls, round(avg(m.values['duration_ms'] / 1000), 2) AS mean_seconds, round(max(f.gap_ms) / 1000, 2) AS worst_gap
FROM viewer_measurements AS m
INNER JOIN failovers AS f ON f.cluster = m.cluster AND f.node = m.node AND f.app = m.app AND f.stream = m.stream
WHERE m.type = 'player.stall' AND m.time >= f.time AND m.time <= f.time + INTERVAL 10 SECOND AND m.time >= {from:DateTime} AND m.time < {to:DateTime}
GROUP BY node
ORDER BY sessions DESC
