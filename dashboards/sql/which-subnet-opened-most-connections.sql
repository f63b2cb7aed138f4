-- Which subnet opened most connections in the spike? Short connections from one subnet are an attack, long ones a crowd.
-- from DateTime = 2026-01-01 12:00:00
-- to DateTime = 2026-01-01 12:10:00
SELECT concat(substringIndex(client_address, '.', 3), '.0/24') AS subnet, count() AS connections, uniqExact(client_address) AS addresses,
    round(avg(duration_seconds), 1) AS mean_seconds, topK(1)(node)[1] AS mostly_on
FROM connections
WHERE opened_at >= {from:DateTime} AND opened_at < {to:DateTime}
GROUP BY subnet
ORDER BY connections DESC
LIMIT 20
