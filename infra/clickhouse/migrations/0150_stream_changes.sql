-- What the directory says of streams: which node got a publisher's name and from whom, and how it ended. Each change is told
-- by the node whose publisher it is or was, as the log event live.stream.change.
CREATE TABLE IF NOT EXISTS ${database}.stream_changes ${on_cluster}
(
    time       DateTime64(3, 'UTC'),
    cluster    LowCardinality(String),
    app        LowCardinality(String),
    stream     String,
    change     LowCardinality(String) COMMENT 'published, settled, ended or lost',
    cause      LowCardinality(String),
    from_node  LowCardinality(String) COMMENT 'Node that had the name before, empty = none',
    to_node    LowCardinality(String) COMMENT 'Node that has it now, empty = none',
    node       LowCardinality(String) COMMENT 'Node that reports it'
)
ENGINE = ${engine:MergeTree}
PARTITION BY toYYYYMM(time)
ORDER BY (cluster, app, stream, time)
TTL toDateTime(time) + INTERVAL 1 YEAR
SETTINGS ${deduplication};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.stream_changes_from_logs ${on_cluster} TO ${database}.stream_changes AS
SELECT
    l.time AS time, l.cluster AS cluster, l.attributes['app'] AS app, l.attributes['stream'] AS stream,
    l.attributes['live.stream.change'] AS change, l.attributes['cause'] AS cause,
    l.attributes['live.stream.change.from'] AS from_node, l.attributes['live.stream.change.to'] AS to_node, l.node AS node
FROM ${database}.logs AS l
WHERE l.event_name = 'live.stream.change' AND l.attributes['stream'] != '';

-- Why a node came or went, an edge was elected or relieved; empty in rows of before.
ALTER TABLE ${database}.cluster_events ${on_cluster} ADD COLUMN IF NOT EXISTS cause LowCardinality(String) COMMENT 'heard; left, silent or connection-lost; origins-missing; origins-back, place-taken, draining or shutdown';

ALTER TABLE ${database}.cluster_events_from_logs ${on_cluster} MODIFY QUERY
SELECT l.time AS time, l.cluster AS cluster, l.attributes['weir.cluster.node'] AS node, l.attributes['weir.cluster.event'] AS event, l.node AS seen_by, l.attributes['weir.cluster.cause'] AS cause
FROM ${database}.logs AS l
WHERE l.event_name = 'weir.cluster' AND l.attributes['weir.cluster.event'] != '';
