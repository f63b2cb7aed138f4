-- The six rollup levels, each filled from the one below it by a materialized view while ingest inserts.
-- count is the number of samples behind a figure; the mean of a bucket is sum / count; last is the newest value in it.
-- Buckets are UTC. Late samples land in their own bucket, because states are merged, not overwritten.

-- 1 minute
CREATE TABLE IF NOT EXISTS ${database}.metric_1m ${on_cluster}
(
    time       DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    cluster    LowCardinality(String),
    site       LowCardinality(String),
    machine_id LowCardinality(String),
    node       LowCardinality(String),
    metric     LowCardinality(String),
    series_id  UInt64 CODEC(ZSTD(1)),
    count      SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    sum        SimpleAggregateFunction(sum, Float64) CODEC(Gorilla, ZSTD(1)),
    min        SimpleAggregateFunction(min, Float64) CODEC(Gorilla, ZSTD(1)),
    max        SimpleAggregateFunction(max, Float64) CODEC(Gorilla, ZSTD(1)),
    last       AggregateFunction(argMax, Float64, DateTime64(3, 'UTC')) CODEC(ZSTD(1))
)
ENGINE = ${engine:AggregatingMergeTree}
PARTITION BY toYYYYMM(time)
ORDER BY (metric, cluster, site, machine_id, node, series_id, time)
TTL time + INTERVAL 30 DAY
SETTINGS ${deduplication};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.metric_1m_from_samples ${on_cluster} TO ${database}.metric_1m AS
SELECT
    toStartOfMinute(toDateTime(s.time, 'UTC')) AS time,
    s.cluster AS cluster, s.site AS site, s.machine_id AS machine_id, s.node AS node, s.metric AS metric, s.series_id AS series_id,
    toUInt64(count()) AS count,
    sum(s.value) AS sum,
    min(s.value) AS min,
    max(s.value) AS max,
    argMaxState(s.value, s.time) AS last
FROM ${database}.metric_samples AS s
GROUP BY time, cluster, site, machine_id, node, metric, series_id;

-- 5 minutes
CREATE TABLE IF NOT EXISTS ${database}.metric_5m ${on_cluster}
(
    time       DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    cluster    LowCardinality(String),
    site       LowCardinality(String),
    machine_id LowCardinality(String),
    node       LowCardinality(String),
    metric     LowCardinality(String),
    series_id  UInt64 CODEC(ZSTD(1)),
    count      SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    sum        SimpleAggregateFunction(sum, Float64) CODEC(Gorilla, ZSTD(1)),
    min        SimpleAggregateFunction(min, Float64) CODEC(Gorilla, ZSTD(1)),
    max        SimpleAggregateFunction(max, Float64) CODEC(Gorilla, ZSTD(1)),
    last       AggregateFunction(argMax, Float64, DateTime64(3, 'UTC')) CODEC(ZSTD(1))
)
ENGINE = ${engine:AggregatingMergeTree}
PARTITION BY toYYYYMM(time)
ORDER BY (metric, cluster, site, machine_id, node, series_id, time)
TTL time + INTERVAL 90 DAY
SETTINGS ${deduplication};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.metric_5m_from_1m ${on_cluster} TO ${database}.metric_5m AS
SELECT
    toStartOfFiveMinutes(s.time) AS time,
    s.cluster AS cluster, s.site AS site, s.machine_id AS machine_id, s.node AS node, s.metric AS metric, s.series_id AS series_id,
    sum(s.count) AS count,
    sum(s.sum) AS sum,
    min(s.min) AS min,
    max(s.max) AS max,
    argMaxMergeState(s.last) AS last
FROM ${database}.metric_1m AS s
GROUP BY time, cluster, site, machine_id, node, metric, series_id;

-- 10 minutes
CREATE TABLE IF NOT EXISTS ${database}.metric_10m ${on_cluster}
(
    time       DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    cluster    LowCardinality(String),
    site       LowCardinality(String),
    machine_id LowCardinality(String),
    node       LowCardinality(String),
    metric     LowCardinality(String),
    series_id  UInt64 CODEC(ZSTD(1)),
    count      SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    sum        SimpleAggregateFunction(sum, Float64) CODEC(Gorilla, ZSTD(1)),
    min        SimpleAggregateFunction(min, Float64) CODEC(Gorilla, ZSTD(1)),
    max        SimpleAggregateFunction(max, Float64) CODEC(Gorilla, ZSTD(1)),
    last       AggregateFunction(argMax, Float64, DateTime64(3, 'UTC')) CODEC(ZSTD(1))
)
ENGINE = ${engine:AggregatingMergeTree}
PARTITION BY toYYYYMM(time)
ORDER BY (metric, cluster, site, machine_id, node, series_id, time)
TTL time + INTERVAL 180 DAY
SETTINGS ${deduplication};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.metric_10m_from_5m ${on_cluster} TO ${database}.metric_10m AS
SELECT
    toStartOfTenMinutes(s.time) AS time,
    s.cluster AS cluster, s.site AS site, s.machine_id AS machine_id, s.node AS node, s.metric AS metric, s.series_id AS series_id,
    sum(s.count) AS count,
    sum(s.sum) AS sum,
    min(s.min) AS min,
    max(s.max) AS max,
    argMaxMergeState(s.last) AS last
FROM ${database}.metric_5m AS s
GROUP BY time, cluster, site, machine_id, node, metric, series_id;

-- 1 hour
CREATE TABLE IF NOT EXISTS ${database}.metric_1h ${on_cluster}
(
    time       DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    cluster    LowCardinality(String),
    site       LowCardinality(String),
    machine_id LowCardinality(String),
    node       LowCardinality(String),
    metric     LowCardinality(String),
    series_id  UInt64 CODEC(ZSTD(1)),
    count      SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    sum        SimpleAggregateFunction(sum, Float64) CODEC(Gorilla, ZSTD(1)),
    min        SimpleAggregateFunction(min, Float64) CODEC(Gorilla, ZSTD(1)),
    max        SimpleAggregateFunction(max, Float64) CODEC(Gorilla, ZSTD(1)),
    last       AggregateFunction(argMax, Float64, DateTime64(3, 'UTC')) CODEC(ZSTD(1))
)
ENGINE = ${engine:AggregatingMergeTree}
PARTITION BY toYear(time)
ORDER BY (metric, cluster, site, machine_id, node, series_id, time)
TTL time + INTERVAL 2 YEAR
SETTINGS ${deduplication};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.metric_1h_from_10m ${on_cluster} TO ${database}.metric_1h AS
SELECT
    toStartOfHour(s.time) AS time,
    s.cluster AS cluster, s.site AS site, s.machine_id AS machine_id, s.node AS node, s.metric AS metric, s.series_id AS series_id,
    sum(s.count) AS count,
    sum(s.sum) AS sum,
    min(s.min) AS min,
    max(s.max) AS max,
    argMaxMergeState(s.last) AS last
FROM ${database}.metric_10m AS s
GROUP BY time, cluster, site, machine_id, node, metric, series_id;

-- 1 day
CREATE TABLE IF NOT EXISTS ${database}.metric_1d ${on_cluster}
(
    time       DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    cluster    LowCardinality(String),
    site       LowCardinality(String),
    machine_id LowCardinality(String),
    node       LowCardinality(String),
    metric     LowCardinality(String),
    series_id  UInt64 CODEC(ZSTD(1)),
    count      SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    sum        SimpleAggregateFunction(sum, Float64) CODEC(Gorilla, ZSTD(1)),
    min        SimpleAggregateFunction(min, Float64) CODEC(Gorilla, ZSTD(1)),
    max        SimpleAggregateFunction(max, Float64) CODEC(Gorilla, ZSTD(1)),
    last       AggregateFunction(argMax, Float64, DateTime64(3, 'UTC')) CODEC(ZSTD(1))
)
ENGINE = ${engine:AggregatingMergeTree}
PARTITION BY toYear(time)
ORDER BY (metric, cluster, site, machine_id, node, series_id, time)
TTL time + INTERVAL 10 YEAR
SETTINGS ${deduplication};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.metric_1d_from_1h ${on_cluster} TO ${database}.metric_1d AS
SELECT
    toStartOfDay(s.time, 'UTC') AS time,
    s.cluster AS cluster, s.site AS site, s.machine_id AS machine_id, s.node AS node, s.metric AS metric, s.series_id AS series_id,
    sum(s.count) AS count,
    sum(s.sum) AS sum,
    min(s.min) AS min,
    max(s.max) AS max,
    argMaxMergeState(s.last) AS last
FROM ${database}.metric_1h AS s
GROUP BY time, cluster, site, machine_id, node, metric, series_id;

-- 1 week (from Monday)
CREATE TABLE IF NOT EXISTS ${database}.metric_1w ${on_cluster}
(
    time       DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    cluster    LowCardinality(String),
    site       LowCardinality(String),
    machine_id LowCardinality(String),
    node       LowCardinality(String),
    metric     LowCardinality(String),
    series_id  UInt64 CODEC(ZSTD(1)),
    count      SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    sum        SimpleAggregateFunction(sum, Float64) CODEC(Gorilla, ZSTD(1)),
    min        SimpleAggregateFunction(min, Float64) CODEC(Gorilla, ZSTD(1)),
    max        SimpleAggregateFunction(max, Float64) CODEC(Gorilla, ZSTD(1)),
    last       AggregateFunction(argMax, Float64, DateTime64(3, 'UTC')) CODEC(ZSTD(1))
)
ENGINE = ${engine:AggregatingMergeTree}
PARTITION BY toYear(time)
ORDER BY (metric, cluster, site, machine_id, node, series_id, time)
SETTINGS ${deduplication};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.metric_1w_from_1d ${on_cluster} TO ${database}.metric_1w AS
SELECT
    toDateTime(toStartOfWeek(s.time, 1, 'UTC'), 'UTC') AS time,
    s.cluster AS cluster, s.site AS site, s.machine_id AS machine_id, s.node AS node, s.metric AS metric, s.series_id AS series_id,
    sum(s.count) AS count,
    sum(s.sum) AS sum,
    min(s.min) AS min,
    max(s.max) AS max,
    argMaxMergeState(s.last) AS last
FROM ${database}.metric_1d AS s
GROUP BY time, cluster, site, machine_id, node, metric, series_id;
