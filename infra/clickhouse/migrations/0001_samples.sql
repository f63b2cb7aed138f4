-- Raw samples: one row per series and sampling interval. Thin: what a series is stands once in metric_series.
-- Counters are stored as deltas, gauges as they are; `sum` and `avg` mean what people expect of them.
CREATE TABLE IF NOT EXISTS ${database}.metric_samples ${on_cluster}
(
    time       DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    cluster    LowCardinality(String),
    site       LowCardinality(String),
    machine_id LowCardinality(String),
    node       LowCardinality(String) COMMENT 'Empty for figures of the whole machine',
    metric     LowCardinality(String),
    series_id  UInt64 CODEC(ZSTD(1)),
    value      Float64 CODEC(Gorilla, ZSTD(1)),
    INDEX time_range time TYPE minmax GRANULARITY 1
)
ENGINE = ${engine:MergeTree}
PARTITION BY toDate(time)
ORDER BY (metric, cluster, site, machine_id, node, series_id, time)
TTL toDateTime(time) + INTERVAL 7 DAY
SETTINGS ${deduplication};

-- What a series is. Rewritten by ingest now and then; the newest row counts.
CREATE TABLE IF NOT EXISTS ${database}.metric_series ${on_cluster}
(
    series_id  UInt64,
    cluster    LowCardinality(String),
    site       LowCardinality(String),
    machine_id LowCardinality(String),
    node       LowCardinality(String),
    metric     LowCardinality(String),
    kind       LowCardinality(String) COMMENT 'counter, up-down-counter, gauge or histogram',
    unit       LowCardinality(String) COMMENT 'UCUM',
    attributes Map(LowCardinality(String), String),
    last_seen  DateTime64(3, 'UTC')
)
ENGINE = ${engine:ReplacingMergeTree(last_seen)}
ORDER BY (metric, cluster, site, machine_id, node, series_id);

-- Histogram points as they came (delta temporality).
CREATE TABLE IF NOT EXISTS ${database}.histogram_samples ${on_cluster}
(
    time       DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    cluster    LowCardinality(String),
    site       LowCardinality(String),
    machine_id LowCardinality(String),
    node       LowCardinality(String),
    metric     LowCardinality(String),
    series_id  UInt64 CODEC(ZSTD(1)),
    count      UInt64,
    sum        Float64,
    min        Float64,
    max        Float64,
    bounds     Array(Float64) COMMENT 'Upper bounds, ascending; the last bucket has none',
    counts     Array(UInt64) COMMENT 'One more than bounds'
)
ENGINE = ${engine:MergeTree}
PARTITION BY toDate(time)
ORDER BY (metric, cluster, site, machine_id, node, series_id, time)
TTL toDateTime(time) + INTERVAL 90 DAY
SETTINGS ${deduplication};
