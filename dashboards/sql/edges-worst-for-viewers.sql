-- Which edges gave viewers most still pictures, and what did the edge itself report meanwhile? Joins browsers, nodes and machines.
-- from DateTime = 2026-01-01 00:00:00
-- to DateTime = 2026-01-08 00:00:00
SELECT v.node AS node, uniqMerge(v.sessions) AS viewers, round(100 * uniqMerge(v.stalled_sessions) / viewers, 1) AS percent_stalled,
    round(sum(v.stall_ms) / 60000, 1) AS minutes_stalled, round(max(e.queue) / 1e6, 1) AS send_queue_mb, round(max(e.loop), 3) AS loop_seconds, round(max(m.busiest), 2) AS card
FROM viewer_1m AS v
LEFT JOIN (SELECT cluster, node, max(send_queue_bytes) AS queue, max(loop_delay_seconds) AS loop, any(machine_id) AS machine_id FROM node_minutes(from = {from:DateTime}, to = {to:DateTime}) GROUP BY cluster, node) AS e ON e.cluster = v.cluster AND e.node = v.node
LEFT JOIN (SELECT cluster, machine_id, max(card) AS busiest FROM machine_minutes(from = {from:DateTime}, to = {to:DateTime}) GROUP BY cluster, machine_id) AS m ON m.cluster = e.cluster AND m.machine_id = e.machine_id
WHERE v.time >= {from:DateTime} AND v.time < {to:DateTime} AND v.node != ''
GROUP BY node
ORDER BY minutes_stalled DESC
LIMIT 20
