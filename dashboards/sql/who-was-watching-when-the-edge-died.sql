-- Who was watching when the edge died? One row per stream: its viewers at that moment, and those who never said goodbye.
-- node String = edge-12
-- at DateTime = 2026-01-01 12:00:00
SELECT app, stream, count() AS watching, countIf(is_open) AS cut_off, uniqExact(client_address) AS addresses
FROM connections
WHERE node = {node:String} AND role = 'viewer' AND opened_at <= {at:DateTime} AND (is_open OR closed_at >= {at:DateTime})
GROUP BY app, stream
ORDER BY watching DESC
