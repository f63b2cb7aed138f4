-- What was said about a node, append-only and without TTL, so that the past stays true: expected or retired by a person,
-- draining or serving by the node itself. It arrives as the log event weir.node.mark, or is written by `weir nodes`.
CREATE TABLE IF NOT EXISTS ${database}.node_marks ${on_cluster}
(
    time    DateTime64(3, 'UTC'),
    cluster LowCardinality(String),
    node    LowCardinality(String),
    mark    LowCardinality(String) COMMENT 'expected, serving, draining or retired',
    reason  String
)
ENGINE = ${engine:MergeTree}
ORDER BY (cluster, node, time)
SETTINGS ${deduplication};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.node_marks_from_logs ${on_cluster} TO ${database}.node_marks AS
SELECT l.time AS time, l.cluster AS cluster, if(l.attributes['weir.node.mark.node'] = '', l.node, l.attributes['weir.node.mark.node']) AS node, l.attributes['weir.node.mark'] AS mark, l.body AS reason
FROM ${database}.logs AS l
WHERE l.event_name = 'weir.node.mark' AND l.attributes['weir.node.mark'] != '';

-- Marks as intervals: from a mark to the next one of the same node. Draining ends by itself after a day.
CREATE OR REPLACE VIEW ${database}.node_mark_intervals ${on_cluster} AS
SELECT
    cluster, node, mark, reason, time AS since,
    if(mark = 'draining', least(next, since + INTERVAL 1 DAY), next) AS until
FROM
(
    SELECT m.cluster AS cluster, m.node AS node, m.mark AS mark, m.reason AS reason, m.time AS time,
        leadInFrame(m.time, 1, toDateTime64('2200-01-01 00:00:00', 3, 'UTC')) OVER (PARTITION BY m.cluster, m.node ORDER BY m.time ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS next
    FROM ${database}.node_marks AS m
);

-- The times in which a node is not to raise alarms.
CREATE OR REPLACE VIEW ${database}.node_quiet_spans ${on_cluster} AS
SELECT cluster, node, groupArray((since, until)) AS spans FROM ${database}.node_mark_intervals WHERE mark IN ('draining', 'retired') GROUP BY cluster, node;
