-- Why do connections end, node by node? Compare a node with the rest before blaming the network.
-- from DateTime = 2026-01-01 00:00:00
-- to DateTime = 2026-01-08 00:00:00
SELECT node, reason, count() AS connections, round(connections / sum(connections) OVER (PARTITION BY node), 4) AS share
FROM connections
WHERE NOT is_open AND closed_at >= {from:DateTime} AND closed_at < {to:DateTime}
GROUP BY node, reason
ORDER BY node, connections DESC
