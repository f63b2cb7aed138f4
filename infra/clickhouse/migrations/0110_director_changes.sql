-- When directors changed their state (master, backup, fault, stopped), as the agent on each saw it in its kernel.
-- Arrives as the log event weir.vrrp.change; fail-overs of a group are its changes to master.
CREATE TABLE IF NOT EXISTS ${database}.director_changes ${on_cluster}
(
    time        DateTime64(3, 'UTC'),
    cluster     LowCardinality(String),
    site        LowCardinality(String),
    machine_id  LowCardinality(String),
    node        LowCardinality(String) COMMENT 'Agent on the director',
    vrrp_group  LowCardinality(String) COMMENT 'Group of the topology',
    state       LowCardinality(String) COMMENT 'New state',
    before      LowCardinality(String) COMMENT 'State before'
)
ENGINE = ${engine:MergeTree}
PARTITION BY toYYYYMM(time)
ORDER BY (cluster, vrrp_group, time, node)
TTL toDateTime(time) + INTERVAL 2 YEAR
SETTINGS ${deduplication};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.director_changes_from_logs ${on_cluster} TO ${database}.director_changes AS
SELECT
    l.time AS time, l.cluster AS cluster, l.site AS site, l.machine_id AS machine_id, l.node AS node,
    l.attributes['weir.vrrp.group'] AS vrrp_group, l.attributes['weir.vrrp.state'] AS state,
    l.attributes['weir.vrrp.state.before'] AS before
FROM ${database}.logs AS l
WHERE l.event_name = 'weir.vrrp.change' AND l.attributes['weir.vrrp.group'] != '';
