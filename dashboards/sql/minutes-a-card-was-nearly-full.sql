-- Which machines' network cards were nearly full, and for how many minutes?
-- from DateTime = 2026-01-01 00:00:00
-- to DateTime = 2026-01-08 00:00:00
-- share Float64 = 0.9
SELECT host, countIf(card >= {share:Float64}) AS minutes, round(max(card), 3) AS most, minIf(time, card >= {share:Float64}) AS first
FROM machine_minutes(from = {from:DateTime}, to = {to:DateTime})
GROUP BY host
HAVING minutes > 0
ORDER BY minutes DESC
