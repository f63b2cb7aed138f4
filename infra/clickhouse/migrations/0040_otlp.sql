-- Senders by OTLP over HTTP: applications and Collectors, no nodes of Weir. The newest row of a name counts.
CREATE TABLE IF NOT EXISTS ${database}.otlp_senders ${on_cluster}
(
    time       DateTime64(3, 'UTC'),
    cluster    LowCardinality(String),
    node       String COMMENT 'otlp-<token>-<instance>, as in all other tables',
    sender     LowCardinality(String) COMMENT 'Name of the token it sends with',
    service    LowCardinality(String),
    attributes Map(LowCardinality(String), String) COMMENT 'All resource attributes'
)
ENGINE = ${engine:ReplacingMergeTree(time)}
ORDER BY (cluster, node)
TTL toDateTime(time) + INTERVAL 90 DAY
SETTINGS ${deduplication};

-- Histograms rolled up, each level from the one below. `buckets` adds up counts by upper bound (inf = beyond the last), so
-- that histograms with different bounds, as exponential ones have, still make one distribution.
CREATE TABLE IF NOT EXISTS ${database}.histogram_1m ${on_cluster}
(
    time       DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    cluster    LowCardinality(String),
    site       LowCardinality(String),
    machine_id LowCardinality(String),
    node       LowCardinality(String),
    metric     LowCardinality(String),
    series_id  UInt64 CODEC(ZSTD(1)),
    count      SimpleAggregateFunction(sum, UInt64),
    sum        SimpleAggregateFunction(sum, Float64),
    min        SimpleAggregateFunction(min, Float64) COMMENT 'inf when no sender kept it',
    max        SimpleAggregateFunction(max, Float64) COMMENT '-inf when no sender kept it',
    buckets    SimpleAggregateFunction(sumMap, Tuple(Array(Float64), Array(UInt64)))
)
ENGINE = ${engine:AggregatingMergeTree}
PARTITION BY toYYYYMM(time)
ORDER BY (metric, cluster, site, machine_id, node, series_id, time)
TTL time + INTERVAL 30 DAY
SETTINGS ${deduplication};

CREATE TABLE IF NOT EXISTS ${database}.histogram_10m ${on_cluster} AS ${database}.histogram_1m
ENGINE = ${engine:AggregatingMergeTree}
PARTITION BY toYYYYMM(time)
ORDER BY (metric, cluster, site, machine_id, node, series_id, time)
TTL time + INTERVAL 180 DAY
SETTINGS ${deduplication};

CREATE TABLE IF NOT EXISTS ${database}.histogram_1h ${on_cluster} AS ${database}.histogram_1m
ENGINE = ${engine:AggregatingMergeTree}
PARTITION BY toYear(time)
ORDER BY (metric, cluster, site, machine_id, node, series_id, time)
TTL time + INTERVAL 2 YEAR
SETTINGS ${deduplication};

CREATE TABLE IF NOT EXISTS ${database}.histogram_1d ${on_cluster} AS ${database}.histogram_1m
ENGINE = ${engine:AggregatingMergeTree}
PARTITION BY toYear(time)
ORDER BY (metric, cluster, site, machine_id, node, series_id, time)
TTL time + INTERVAL 10 YEAR
SETTINGS ${deduplication};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.histogram_1m_from_samples ${on_cluster} TO ${database}.histogram_1m AS
SELECT
    toStartOfMinute(toDateTime(s.time, 'UTC')) AS time,
    s.cluster AS cluster, s.site AS site, s.machine_id AS machine_id, s.node AS node, s.metric AS metric, s.series_id AS series_id,
    sum(s.count) AS count,
    sum(s.sum) AS sum,
    min(if(isNaN(s.min), inf, s.min)) AS min,
    max(if(isNaN(s.max), -inf, s.max)) AS max,
    sumMap(arrayPushBack(s.bounds, inf), arrayResize(s.counts, length(s.bounds) + 1)) AS buckets
FROM ${database}.histogram_samples AS s
GROUP BY time, cluster, site, machine_id, node, metric, series_id;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.histogram_10m_from_1m ${on_cluster} TO ${database}.histogram_10m AS
SELECT toStartOfTenMinutes(s.time) AS time, s.cluster AS cluster, s.site AS site, s.machine_id AS machine_id, s.node AS node, s.metric AS metric, s.series_id AS series_id,
    sum(s.count) AS count, sum(s.sum) AS sum, min(s.min) AS min, max(s.max) AS max, sumMap(s.buckets.1, s.buckets.2) AS buckets
FROM ${database}.histogram_1m AS s
GROUP BY time, cluster, site, machine_id, node, metric, series_id;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.histogram_1h_from_10m ${on_cluster} TO ${database}.histogram_1h AS
SELECT toStartOfHour(s.time) AS time, s.cluster AS cluster, s.site AS site, s.machine_id AS machine_id, s.node AS node, s.metric AS metric, s.series_id AS series_id,
    sum(s.count) AS count, sum(s.sum) AS sum, min(s.min) AS min, max(s.max) AS max, sumMap(s.buckets.1, s.buckets.2) AS buckets
FROM ${database}.histogram_10m AS s
GROUP BY time, cluster, site, machine_id, node, metric, series_id;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.histogram_1d_from_1h ${on_cluster} TO ${database}.histogram_1d AS
SELECT toStartOfDay(s.time, 'UTC') AS time, s.cluster AS cluster, s.site AS site, s.machine_id AS machine_id, s.node AS node, s.metric AS metric, s.series_id AS series_id,
    sum(s.count) AS count, sum(s.sum) AS sum, min(s.min) AS min, max(s.max) AS max, sumMap(s.buckets.1, s.buckets.2) AS buckets
FROM ${database}.histogram_1h AS s
GROUP BY time, cluster, site, machine_id, node, metric, series_id;
