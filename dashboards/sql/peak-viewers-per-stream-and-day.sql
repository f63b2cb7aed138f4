-- How many watched at once, at most, per stream and day?
-- from DateTime = 2026-01-01 00:00:00
-- to DateTime = 2026-01-08 00:00:00
SELECT toDate(time) AS day, app, stream, round(max(viewers)) AS peak, argMax(time, viewers) AS at
FROM stream_minutes(from = {from:DateTime}, to = {to:DateTime})
GROUP BY day, app, stream
ORDER BY day, peak DESC
