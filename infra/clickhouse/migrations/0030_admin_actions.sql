-- Who did what to a node by its admin API: every action and every refused attempt, append-only. It arrives as the log event
-- weir.admin.action. `actor` is what the caller says of itself; `access_right` is by what the node let it in.
CREATE TABLE IF NOT EXISTS ${database}.admin_actions ${on_cluster}
(
    time           DateTime64(3, 'UTC'),
    cluster        LowCardinality(String),
    site           LowCardinality(String),
    machine_id     LowCardinality(String),
    node           LowCardinality(String),
    action         LowCardinality(String) COMMENT 'kick, drain, serve, reload or denied',
    target         String COMMENT 'A connection, changed configuration keys; empty for the node',
    outcome        LowCardinality(String) COMMENT 'done, refused or not-found',
    access_right   LowCardinality(String) COMMENT 'token or loopback; empty without any',
    actor          String,
    client_address String,
    detail         String
)
ENGINE = ${engine:MergeTree}
PARTITION BY toYYYYMM(time)
ORDER BY (cluster, time, node)
TTL toDateTime(time) + INTERVAL 2 YEAR
SETTINGS ${deduplication};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.admin_actions_from_logs ${on_cluster} TO ${database}.admin_actions AS
SELECT
    l.time AS time, l.cluster AS cluster, l.site AS site, l.machine_id AS machine_id, l.node AS node,
    l.attributes['weir.admin.action'] AS action, l.attributes['weir.admin.target'] AS target,
    l.attributes['weir.admin.outcome'] AS outcome, l.attributes['weir.admin.right'] AS access_right,
    l.attributes['weir.admin.actor'] AS actor, l.attributes['client.address'] AS client_address, l.body AS detail
FROM ${database}.logs AS l
WHERE l.event_name = 'weir.admin.action';
