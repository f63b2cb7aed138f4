-- Machines and nodes: every batch reports who was in it; the newest report counts, first and last sight are kept.
-- The *_reports tables hold nothing (engine Null): they are the door through which the views fold reports into states.
-- Folding is by min, max and argMax, so a report written twice changes nothing.
CREATE TABLE IF NOT EXISTS ${database}.machine_reports ${on_cluster}
(
    time             DateTime64(3, 'UTC'),
    cluster          String,
    site             String,
    machine_id       String,
    host_name        String,
    arch             String,
    os               String,
    kernel           String,
    cpu_models       Array(String),
    cpu_count        UInt32,
    memory_bytes     UInt64,
    network_cards    Array(Tuple(name String, mac String, ip Array(String), speed_bits UInt64)),
    attributes       Map(String, String) COMMENT 'All resource attributes as they came'
)
ENGINE = Null;

CREATE TABLE IF NOT EXISTS ${database}.machine_states ${on_cluster}
(
    cluster    String,
    machine_id String,
    first_seen SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_seen  SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    state      AggregateFunction(argMax, Tuple(site String, host_name String, arch String, os String, kernel String, cpu_models Array(String), cpu_count UInt32, memory_bytes UInt64, network_cards Array(Tuple(name String, mac String, ip Array(String), speed_bits UInt64)), attributes Map(String, String)), DateTime64(3, 'UTC'))
)
ENGINE = ${engine:AggregatingMergeTree}
ORDER BY (cluster, machine_id);

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.machine_states_from_reports ${on_cluster} TO ${database}.machine_states AS
SELECT
    cluster, machine_id, min(r.time) AS first_seen, max(r.time) AS last_seen,
    argMaxState(CAST((r.site, r.host_name, r.arch, r.os, r.kernel, r.cpu_models, r.cpu_count, r.memory_bytes, r.network_cards, r.attributes), 'Tuple(site String, host_name String, arch String, os String, kernel String, cpu_models Array(String), cpu_count UInt32, memory_bytes UInt64, network_cards Array(Tuple(name String, mac String, ip Array(String), speed_bits UInt64)), attributes Map(String, String))'), r.time) AS state
FROM ${database}.machine_reports AS r
GROUP BY cluster, machine_id;

CREATE OR REPLACE VIEW ${database}.machines ${on_cluster} AS
SELECT
    cluster, machine_id, first_seen, last_seen,
    s.site AS site, s.host_name AS host_name, s.arch AS arch, s.os AS os, s.kernel AS kernel,
    s.cpu_models AS cpu_models, s.cpu_count AS cpu_count, s.memory_bytes AS memory_bytes,
    s.network_cards AS network_cards, s.attributes AS attributes
FROM
(
    SELECT cluster, machine_id, min(m.first_seen) AS first_seen, max(m.last_seen) AS last_seen, argMaxMerge(m.state) AS s
    FROM ${database}.machine_states AS m
    GROUP BY cluster, machine_id
);

CREATE TABLE IF NOT EXISTS ${database}.node_reports ${on_cluster}
(
    time       DateTime64(3, 'UTC'),
    cluster    String,
    site       String,
    machine_id String,
    node       String,
    role       String,
    version    String,
    pid        UInt32,
    attributes Map(String, String)
)
ENGINE = Null;

CREATE TABLE IF NOT EXISTS ${database}.node_states ${on_cluster}
(
    cluster    String,
    node       String,
    first_seen SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_seen  SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    state      AggregateFunction(argMax, Tuple(site String, machine_id String, role String, version String, pid UInt32, attributes Map(String, String)), DateTime64(3, 'UTC'))
)
ENGINE = ${engine:AggregatingMergeTree}
ORDER BY (cluster, node);

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.node_states_from_reports ${on_cluster} TO ${database}.node_states AS
SELECT
    cluster, node, min(r.time) AS first_seen, max(r.time) AS last_seen,
    argMaxState(CAST((r.site, r.machine_id, r.role, r.version, r.pid, r.attributes), 'Tuple(site String, machine_id String, role String, version String, pid UInt32, attributes Map(String, String))'), r.time) AS state
FROM ${database}.node_reports AS r
GROUP BY cluster, node;

CREATE OR REPLACE VIEW ${database}.nodes ${on_cluster} AS
SELECT
    cluster, node, first_seen, last_seen,
    s.site AS site, s.machine_id AS machine_id, s.role AS role, s.version AS version, s.pid AS pid, s.attributes AS attributes
FROM
(
    SELECT cluster, node, min(n.first_seen) AS first_seen, max(n.last_seen) AS last_seen, argMaxMerge(n.state) AS s
    FROM ${database}.node_states AS n
    GROUP BY cluster, node
);

-- Connections: two events each (opened, closed), the closed one repeats all of the opened one; `connections` shows one row.
CREATE TABLE IF NOT EXISTS ${database}.connection_events ${on_cluster}
(
    opened_at       DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    connection_id   UUID,
    version         UInt8 COMMENT '0 opened, 1 closed',
    cluster         LowCardinality(String),
    site            LowCardinality(String),
    machine_id      LowCardinality(String),
    node            LowCardinality(String),
    role            LowCardinality(String) COMMENT 'publisher, viewer or relay',
    protocol        LowCardinality(String),
    app             LowCardinality(String),
    stream          String,
    client_address  String,
    client_port     UInt16,
    session_id      String,
    user_agent      String,
    closed_at       DateTime64(3, 'UTC'),
    reason          LowCardinality(String),
    bytes_in        UInt64,
    bytes_queued    UInt64 COMMENT 'Handed to the socket',
    bytes_delivered UInt64 COMMENT 'Taken by the kernel',
    frames_dropped  UInt64
)
ENGINE = ${engine:ReplacingMergeTree(version)}
PARTITION BY toYYYYMM(opened_at)
ORDER BY (cluster, node, opened_at, connection_id)
TTL toDateTime(opened_at) + INTERVAL 1 YEAR
SETTINGS ${deduplication};

CREATE OR REPLACE VIEW ${database}.connections ${on_cluster} AS
SELECT
    opened_at,
    if(version = 1, closed_at, NULL) AS closed_at,
    version = 0 AS is_open,
    if(version = 1, dateDiff('millisecond', opened_at, c.closed_at) / 1000, NULL) AS duration_seconds,
    connection_id, cluster, site, machine_id, node, role, protocol, app, stream, client_address, client_port, session_id,
    user_agent, reason, bytes_in, bytes_queued, bytes_delivered, frames_dropped
FROM ${database}.connection_events AS c FINAL;

-- Fail-overs: a stream whose upstream changed under its viewers.
CREATE TABLE IF NOT EXISTS ${database}.failovers ${on_cluster}
(
    time       DateTime64(3, 'UTC'),
    cluster    LowCardinality(String),
    site       LowCardinality(String),
    machine_id LowCardinality(String),
    node       LowCardinality(String),
    app        LowCardinality(String),
    stream     String,
    cause      LowCardinality(String),
    from_node  LowCardinality(String),
    to_node    LowCardinality(String),
    gap_ms     UInt32 COMMENT 'Between the last message of the old upstream and the first of the new one',
    viewers    UInt32
)
ENGINE = ${engine:MergeTree}
PARTITION BY toYYYYMM(time)
ORDER BY (cluster, time, node)
TTL toDateTime(time) + INTERVAL 2 YEAR
SETTINGS ${deduplication};

-- Any other OTLP log record.
CREATE TABLE IF NOT EXISTS ${database}.logs ${on_cluster}
(
    time       DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    cluster    LowCardinality(String),
    site       LowCardinality(String),
    machine_id LowCardinality(String),
    node       LowCardinality(String),
    event_name LowCardinality(String),
    severity   LowCardinality(String),
    body       String CODEC(ZSTD(3)),
    attributes Map(LowCardinality(String), String)
)
ENGINE = ${engine:MergeTree}
PARTITION BY toYYYYMM(time)
ORDER BY (cluster, node, time)
TTL toDateTime(time) + INTERVAL 30 DAY
SETTINGS ${deduplication};

-- What browsers report of their viewers' experience (Faro).
CREATE TABLE IF NOT EXISTS ${database}.viewer_measurements ${on_cluster}
(
    time       DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    cluster    LowCardinality(String),
    site       LowCardinality(String),
    machine_id LowCardinality(String),
    node       LowCardinality(String) COMMENT 'Edge that served the viewer',
    app        LowCardinality(String),
    stream     String,
    session_id String,
    type       LowCardinality(String),
    values     Map(LowCardinality(String), Float64),
    context    Map(LowCardinality(String), String),
    page_url   String,
    browser    LowCardinality(String),
    os         LowCardinality(String)
)
ENGINE = ${engine:MergeTree}
PARTITION BY toYYYYMM(time)
ORDER BY (cluster, app, stream, type, time)
TTL toDateTime(time) + INTERVAL 90 DAY
SETTINGS ${deduplication};

CREATE TABLE IF NOT EXISTS ${database}.viewer_events ${on_cluster}
(
    time       DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    cluster    LowCardinality(String),
    site       LowCardinality(String),
    machine_id LowCardinality(String),
    node       LowCardinality(String),
    app        LowCardinality(String),
    stream     String,
    session_id String,
    kind       LowCardinality(String) COMMENT 'event, log or exception',
    name       LowCardinality(String),
    message    String CODEC(ZSTD(3)),
    attributes Map(LowCardinality(String), String),
    page_url   String,
    browser    LowCardinality(String),
    os         LowCardinality(String)
)
ENGINE = ${engine:MergeTree}
PARTITION BY toYYYYMM(time)
ORDER BY (cluster, app, stream, kind, time)
TTL toDateTime(time) + INTERVAL 90 DAY
SETTINGS ${deduplication};
