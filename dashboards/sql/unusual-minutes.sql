-- Which minutes had far more new connections than usual, where, and how unusual were they?
-- from DateTime = 2026-01-01 00:00:00
-- to DateTime = 2026-01-08 00:00:00
SELECT if(node = '', '(whole cluster)', node) AS where_, min(time) AS from_, max(time) AS to_, count() AS minutes, max(opened) AS most_opened, round(any(median)) AS usual, round(max(score), 1) AS deviations
FROM connection_spikes(from = {from:DateTime}, to = {to:DateTime}, floor = 60)
WHERE is_spike
GROUP BY node
ORDER BY deviations DESC
