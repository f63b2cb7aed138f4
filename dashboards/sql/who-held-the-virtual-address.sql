-- Which director held each virtual address when, and how long was it held by none or by two?
-- from DateTime = 2026-01-01 00:00:00
-- to DateTime = 2026-01-08 00:00:00
SELECT vrrp_group, if(empty(holding), '(nobody)', arrayStringConcat(arraySort(holding), ' and ')) AS held_by, count() AS minutes, min(time) AS first, max(time) AS last
FROM vrrp_minutes(from = {from:DateTime}, to = {to:DateTime})
GROUP BY vrrp_group, held_by
ORDER BY vrrp_group, minutes DESC
