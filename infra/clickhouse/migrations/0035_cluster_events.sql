-- Changes of the cluster as its nodes saw them: a node joined or is gone, an edge was elected origin or relieved again.
-- Each arrives as the log event weir.cluster; of the nodes that see one come or go, one writes it down.
CREATE TABLE IF NOT EXISTS ${database}.cluster_events ${on_cluster}
(
    time     DateTime64(3, 'UTC'),
    cluster  LowCardinality(String),
    node     LowCardinality(String) COMMENT 'Node it happened to',
    event    LowCardinality(String) COMMENT 'joined, gone, elected or relieved',
    seen_by  LowCardinality(String) COMMENT 'Node that reports it'
)
ENGINE = ${engine:MergeTree}
PARTITION BY toYYYYMM(time)
ORDER BY (cluster, time, node)
TTL toDateTime(time) + INTERVAL 2 YEAR
SETTINGS ${deduplication};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.cluster_events_from_logs ${on_cluster} TO ${database}.cluster_events AS
SELECT l.time AS time, l.cluster AS cluster, l.attributes['weir.cluster.node'] AS node, l.attributes['weir.cluster.event'] AS event, l.node AS seen_by
FROM ${database}.logs AS l
WHERE l.event_name = 'weir.cluster' AND l.attributes['weir.cluster.event'] != '';
