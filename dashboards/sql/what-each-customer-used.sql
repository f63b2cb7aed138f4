-- What did each customer (app) use? Hours watched and published, most viewers at once, gigabytes delivered, as a bill has it.
-- from DateTime = 2026-01-01 00:00:00
-- to DateTime = 2026-01-08 00:00:00
SELECT app, round(sum(viewer_seconds) / 3600, 1) AS viewer_hours, round(sum(publisher_seconds) / 3600, 1) AS published_hours,
    round(max(viewers_max)) AS most_viewers, round(sum(bytes_out) / 1e9, 1) AS gigabytes_out
FROM app_usage(from = {from:DateTime}, to = {to:DateTime}, step = 3600)
GROUP BY app
ORDER BY viewer_hours DESC
