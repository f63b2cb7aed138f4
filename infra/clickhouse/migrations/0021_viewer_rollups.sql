-- What viewers saw, per stream and edge: minute, hour, day and week, each filled from the one before by a view while ingest
-- inserts. Only the player's own measurements (player.*) count; those of other pages stay in viewer_measurements.
-- start_ms and delay_ms hold the quantiles 0.5, 0.95 and 0.99: quantilesTDigestMerge(0.5, 0.95, 0.99)(start_ms).

CREATE TABLE IF NOT EXISTS ${database}.viewer_1m ${on_cluster}
(
    time             DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    cluster          LowCardinality(String),
    app              LowCardinality(String),
    stream           String,
    node             LowCardinality(String) COMMENT 'Edge that served the viewers',
    sessions         AggregateFunction(uniq, String),
    stalled_sessions AggregateFunction(uniq, String) COMMENT 'With any stall',
    starts           SimpleAggregateFunction(sum, UInt64),
    start_ms         AggregateFunction(quantilesTDigest(0.5, 0.95, 0.99), Float64) COMMENT 'Page to first frame',
    stalls           SimpleAggregateFunction(sum, UInt64),
    stall_ms         SimpleAggregateFunction(sum, Float64),
    longest_stall_ms SimpleAggregateFunction(max, Float64),
    watched_ms       SimpleAggregateFunction(sum, Float64),
    delays           SimpleAggregateFunction(sum, UInt64),
    delay_ms         AggregateFunction(quantilesTDigest(0.5, 0.95, 0.99), Float64) COMMENT 'Edge to screen',
    frames_decoded   SimpleAggregateFunction(sum, UInt64),
    frames_dropped   SimpleAggregateFunction(sum, UInt64),
    reconnects       SimpleAggregateFunction(sum, UInt64)
)
ENGINE = ${engine:AggregatingMergeTree}
PARTITION BY toYYYYMM(time)
ORDER BY (cluster, app, stream, node, time)
TTL time + INTERVAL 90 DAY
SETTINGS ${deduplication};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.viewer_1m_from_measurements ${on_cluster} TO ${database}.viewer_1m AS
SELECT
    toStartOfMinute(toDateTime(m.time, 'UTC')) AS time,
    m.cluster AS cluster, m.app AS app, m.stream AS stream, m.node AS node,
    uniqState(m.session_id) AS sessions,
    uniqStateIf(m.session_id, m.type = 'player.stall') AS stalled_sessions,
    toUInt64(countIf(m.type = 'player.start')) AS starts,
    quantilesTDigestStateIf(0.5, 0.95, 0.99)(m.values['total_ms'], m.type = 'player.start') AS start_ms,
    toUInt64(countIf(m.type = 'player.stall')) AS stalls,
    sumIf(m.values['duration_ms'], m.type = 'player.stall') AS stall_ms,
    maxIf(m.values['duration_ms'], m.type = 'player.stall') AS longest_stall_ms,
    sumIf(m.values['watched_ms'], m.type = 'player.heartbeat') AS watched_ms,
    toUInt64(countIf(m.type = 'player.heartbeat' AND mapContains(m.values, 'delay_ms'))) AS delays,
    quantilesTDigestStateIf(0.5, 0.95, 0.99)(m.values['delay_ms'], m.type = 'player.heartbeat' AND mapContains(m.values, 'delay_ms')) AS delay_ms,
    toUInt64(sumIf(greatest(m.values['frames_decoded'], 0), m.type = 'player.heartbeat')) AS frames_decoded,
    toUInt64(sumIf(greatest(m.values['frames_dropped'], 0), m.type = 'player.heartbeat')) AS frames_dropped,
    toUInt64(countIf(m.type = 'player.reconnect')) AS reconnects
FROM ${database}.viewer_measurements AS m
WHERE m.type IN ('player.start', 'player.stall', 'player.heartbeat', 'player.reconnect')
GROUP BY time, cluster, app, stream, node;

CREATE TABLE IF NOT EXISTS ${database}.viewer_1h ${on_cluster}
(
    time             DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    cluster          LowCardinality(String),
    app              LowCardinality(String),
    stream           String,
    node             LowCardinality(String) COMMENT 'Edge that served the viewers',
    sessions         AggregateFunction(uniq, String),
    stalled_sessions AggregateFunction(uniq, String) COMMENT 'With any stall',
    starts           SimpleAggregateFunction(sum, UInt64),
    start_ms         AggregateFunction(quantilesTDigest(0.5, 0.95, 0.99), Float64) COMMENT 'Page to first frame',
    stalls           SimpleAggregateFunction(sum, UInt64),
    stall_ms         SimpleAggregateFunction(sum, Float64),
    longest_stall_ms SimpleAggregateFunction(max, Float64),
    watched_ms       SimpleAggregateFunction(sum, Float64),
    delays           SimpleAggregateFunction(sum, UInt64),
    delay_ms         AggregateFunction(quantilesTDigest(0.5, 0.95, 0.99), Float64) COMMENT 'Edge to screen',
    frames_decoded   SimpleAggregateFunction(sum, UInt64),
    frames_dropped   SimpleAggregateFunction(sum, UInt64),
    reconnects       SimpleAggregateFunction(sum, UInt64)
)
ENGINE = ${engine:AggregatingMergeTree}
PARTITION BY toYear(time)
ORDER BY (cluster, app, stream, node, time)
TTL time + INTERVAL 2 YEAR
SETTINGS ${deduplication};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.viewer_1h_from_1m ${on_cluster} TO ${database}.viewer_1h AS
SELECT
    toStartOfHour(m.time) AS time,
    m.cluster AS cluster, m.app AS app, m.stream AS stream, m.node AS node,
    uniqMergeState(m.sessions) AS sessions,
    uniqMergeState(m.stalled_sessions) AS stalled_sessions,
    sum(m.starts) AS starts,
    quantilesTDigestMergeState(0.5, 0.95, 0.99)(m.start_ms) AS start_ms,
    sum(m.stalls) AS stalls,
    sum(m.stall_ms) AS stall_ms,
    max(m.longest_stall_ms) AS longest_stall_ms,
    sum(m.watched_ms) AS watched_ms,
    sum(m.delays) AS delays,
    quantilesTDigestMergeState(0.5, 0.95, 0.99)(m.delay_ms) AS delay_ms,
    sum(m.frames_decoded) AS frames_decoded,
    sum(m.frames_dropped) AS frames_dropped,
    sum(m.reconnects) AS reconnects
FROM ${database}.viewer_1m AS m
GROUP BY time, cluster, app, stream, node;

CREATE TABLE IF NOT EXISTS ${database}.viewer_1d ${on_cluster}
(
    time             DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    cluster          LowCardinality(String),
    app              LowCardinality(String),
    stream           String,
    node             LowCardinality(String) COMMENT 'Edge that served the viewers',
    sessions         AggregateFunction(uniq, String),
    stalled_sessions AggregateFunction(uniq, String) COMMENT 'With any stall',
    starts           SimpleAggregateFunction(sum, UInt64),
    start_ms         AggregateFunction(quantilesTDigest(0.5, 0.95, 0.99), Float64) COMMENT 'Page to first frame',
    stalls           SimpleAggregateFunction(sum, UInt64),
    stall_ms         SimpleAggregateFunction(sum, Float64),
    longest_stall_ms SimpleAggregateFunction(max, Float64),
    watched_ms       SimpleAggregateFunction(sum, Float64),
    delays           SimpleAggregateFunction(sum, UInt64),
    delay_ms         AggregateFunction(quantilesTDigest(0.5, 0.95, 0.99), Float64) COMMENT 'Edge to screen',
    frames_decoded   SimpleAggregateFunction(sum, UInt64),
    frames_dropped   SimpleAggregateFunction(sum, UInt64),
    reconnects       SimpleAggregateFunction(sum, UInt64)
)
ENGINE = ${engine:AggregatingMergeTree}
PARTITION BY toYear(time)
ORDER BY (cluster, app, stream, node, time)
TTL time + INTERVAL 10 YEAR
SETTINGS ${deduplication};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.viewer_1d_from_1h ${on_cluster} TO ${database}.viewer_1d AS
SELECT
    toStartOfDay(m.time, 'UTC') AS time,
    m.cluster AS cluster, m.app AS app, m.stream AS stream, m.node AS node,
    uniqMergeState(m.sessions) AS sessions,
    uniqMergeState(m.stalled_sessions) AS stalled_sessions,
    sum(m.starts) AS starts,
    quantilesTDigestMergeState(0.5, 0.95, 0.99)(m.start_ms) AS start_ms,
    sum(m.stalls) AS stalls,
    sum(m.stall_ms) AS stall_ms,
    max(m.longest_stall_ms) AS longest_stall_ms,
    sum(m.watched_ms) AS watched_ms,
    sum(m.delays) AS delays,
    quantilesTDigestMergeState(0.5, 0.95, 0.99)(m.delay_ms) AS delay_ms,
    sum(m.frames_decoded) AS frames_decoded,
    sum(m.frames_dropped) AS frames_dropped,
    sum(m.reconnects) AS reconnects
FROM ${database}.viewer_1h AS m
GROUP BY time, cluster, app, stream, node;

CREATE TABLE IF NOT EXISTS ${database}.viewer_1w ${on_cluster}
(
    time             DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    cluster          LowCardinality(String),
    app              LowCardinality(String),
    stream           String,
    node             LowCardinality(String) COMMENT 'Edge that served the viewers',
    sessions         AggregateFunction(uniq, String),
    stalled_sessions AggregateFunction(uniq, String) COMMENT 'With any stall',
    starts           SimpleAggregateFunction(sum, UInt64),
    start_ms         AggregateFunction(quantilesTDigest(0.5, 0.95, 0.99), Float64) COMMENT 'Page to first frame',
    stalls           SimpleAggregateFunction(sum, UInt64),
    stall_ms         SimpleAggregateFunction(sum, Float64),
    longest_stall_ms SimpleAggregateFunction(max, Float64),
    watched_ms       SimpleAggregateFunction(sum, Float64),
    delays           SimpleAggregateFunction(sum, UInt64),
    delay_ms         AggregateFunction(quantilesTDigest(0.5, 0.95, 0.99), Float64) COMMENT 'Edge to screen',
    frames_decoded   SimpleAggregateFunction(sum, UInt64),
    frames_dropped   SimpleAggregateFunction(sum, UInt64),
    reconnects       SimpleAggregateFunction(sum, UInt64)
)
ENGINE = ${engine:AggregatingMergeTree}
PARTITION BY toYear(time)
ORDER BY (cluster, app, stream, node, time)
SETTINGS ${deduplication};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.viewer_1w_from_1d ${on_cluster} TO ${database}.viewer_1w AS
SELECT
    toDateTime(toStartOfWeek(m.time, 1, 'UTC'), 'UTC') AS time,
    m.cluster AS cluster, m.app AS app, m.stream AS stream, m.node AS node,
    uniqMergeState(m.sessions) AS sessions,
    uniqMergeState(m.stalled_sessions) AS stalled_sessions,
    sum(m.starts) AS starts,
    quantilesTDigestMergeState(0.5, 0.95, 0.99)(m.start_ms) AS start_ms,
    sum(m.stalls) AS stalls,
    sum(m.stall_ms) AS stall_ms,
    max(m.longest_stall_ms) AS longest_stall_ms,
    sum(m.watched_ms) AS watched_ms,
    sum(m.delays) AS delays,
    quantilesTDigestMergeState(0.5, 0.95, 0.99)(m.delay_ms) AS delay_ms,
    sum(m.frames_decoded) AS frames_decoded,
    sum(m.frames_dropped) AS frames_dropped,
    sum(m.reconnects) AS reconnects
FROM ${database}.viewer_1d AS m
GROUP BY time, cluster, app, stream, node;
