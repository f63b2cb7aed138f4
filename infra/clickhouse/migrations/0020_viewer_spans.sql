-- Spans of browsers (Faro's traces): what a page waited for.
CREATE TABLE IF NOT EXISTS ${database}.viewer_spans ${on_cluster}
(
    time           DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    cluster        LowCardinality(String),
    site           LowCardinality(String),
    machine_id     LowCardinality(String),
    session_id     String,
    trace_id       String,
    span_id        String,
    parent_span_id String,
    name           LowCardinality(String),
    duration_ms    Float64 CODEC(Gorilla, ZSTD(1)),
    status         LowCardinality(String) COMMENT 'unset, ok or error',
    attributes     Map(LowCardinality(String), String),
    page_url       String,
    browser        LowCardinality(String),
    os             LowCardinality(String)
)
ENGINE = ${engine:MergeTree}
PARTITION BY toYYYYMM(time)
ORDER BY (cluster, name, time)
TTL toDateTime(time) + INTERVAL 30 DAY
SETTINGS ${deduplication};
