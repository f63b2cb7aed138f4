-- What happened around this moment? Everything that was an event, in order: the first thing to read after an incident.
-- at DateTime = 2026-01-01 12:00:00
-- minutes UInt32 = 10
WITH {at:DateTime} - 60 * {minutes:UInt32} AS since, {at:DateTime} + 60 * {minutes:UInt32} AS until
SELECT when, what, node, detail FROM
(
    SELECT time AS when, 'fail-over' AS what, node, concat(app, '/', stream, ' from ', from_node, ' to ', to_node, ', gap ', toString(gap_ms), ' ms, ', toString(viewers), ' viewers') AS detail
    FROM failovers AS f WHERE f.time BETWEEN since AND until
    UNION ALL
    SELECT time AS when, concat('node ', mark) AS what, node, reason AS detail FROM node_marks AS k WHERE k.time BETWEEN since AND until
    UNION ALL
    SELECT time AS when, concat('node ', event) AS what, node, concat(cause, ', seen by ', seen_by) AS detail FROM cluster_events AS e WHERE e.time BETWEEN since AND until
    UNION ALL
    SELECT time AS when, concat('by hand: ', action) AS what, node, concat(actor, ' ', target, ' ', outcome) AS detail FROM admin_actions AS a WHERE a.time BETWEEN since AND until
    UNION ALL
    SELECT opened_at AS when, 'published' AS what, node, concat(app, '/', stream) AS detail FROM connections WHERE role = 'publisher' AND opened_at BETWEEN since AND until
    UNION ALL
    SELECT assumeNotNull(closed_at) AS when, 'publisher left' AS what, node, concat(app, '/', stream, ': ', reason) AS detail FROM connections WHERE role = 'publisher' AND closed_at BETWEEN since AND until
    UNION ALL
    SELECT toDateTime64(last_report, 3) AS when, 'silent' AS what, node, concat('for at least ', toString(max(silent_seconds)), ' s') AS detail
    FROM node_silence(from = since, to = until, step = 60) WHERE silent_seconds >= 60 AND NOT quiet GROUP BY last_report, node
)
ORDER BY when
LIMIT 1000
