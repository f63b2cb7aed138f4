-- Which publishers could not keep their connection? Streams published more than twice within ten minutes.
-- from DateTime = 2026-01-01 00:00:00
-- to DateTime = 2026-01-08 00:00:00
SELECT app, stream, max(publishes) AS most_in_ten_minutes, min(time) AS first_noticed, max(time) AS last_noticed
FROM publisher_flaps(from = {from:DateTime}, to = {to:DateTime})
WHERE publishes > 2
GROUP BY app, stream
ORDER BY most_in_ten_minutes DESC
