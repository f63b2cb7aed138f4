-- When was which node silent, and for how long? Drained and retired nodes are left out.
-- from DateTime = 2026-01-01 00:00:00
-- to DateTime = 2026-01-08 00:00:00
SELECT node, role, last_report AS since, max(silent_seconds) AS seconds
FROM node_silence(from = {from:DateTime}, to = {to:DateTime}, step = 60)
WHERE silent_seconds >= 60 AND NOT quiet
GROUP BY node, role, since
ORDER BY since
