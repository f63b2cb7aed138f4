-- What does a viewer cost in CPU, edge by edge? An edge far above the others is older, shared, or has a wrong setting.
-- from DateTime = 2026-01-01 00:00:00
-- to DateTime = 2026-01-08 00:00:00
SELECT n.node AS node, round(avg(n.viewers)) AS mean_viewers, round(avg(m.cpu), 3) AS mean_cpu,
    round(1000 * simpleLinearRegression(n.viewers, assumeNotNull(m.cpu)).1, 3) AS cpu_per_thousand_viewers
FROM node_minutes(from = {from:DateTime}, to = {to:DateTime}) AS n
INNER JOIN machine_minutes(from = {from:DateTime}, to = {to:DateTime}) AS m ON m.time = n.time AND m.cluster = n.cluster AND m.machine_id = n.machine_id
WHERE n.role = 'edge' AND isNotNull(m.cpu)
GROUP BY node
ORDER BY cpu_per_thousand_viewers DESC
