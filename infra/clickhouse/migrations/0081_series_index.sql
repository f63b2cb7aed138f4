-- Which series a stretch of rows holds, so that a question about some series of a metric passes over the others: rows are
-- sorted by series within a node, so a granule of 8,192 rows holds few of them. Exact and small (a granule with more than
-- 256 series keeps none). Parts of before go without until they are merged.
ALTER TABLE ${database}.metric_samples ${on_cluster} ADD INDEX IF NOT EXISTS series_of series_id TYPE set(256) GRANULARITY 1;
ALTER TABLE ${database}.metric_1m ${on_cluster} ADD INDEX IF NOT EXISTS series_of series_id TYPE set(256) GRANULARITY 1;
ALTER TABLE ${database}.metric_5m ${on_cluster} ADD INDEX IF NOT EXISTS series_of series_id TYPE set(256) GRANULARITY 1;
ALTER TABLE ${database}.metric_10m ${on_cluster} ADD INDEX IF NOT EXISTS series_of series_id TYPE set(256) GRANULARITY 1;
ALTER TABLE ${database}.metric_1h ${on_cluster} ADD INDEX IF NOT EXISTS series_of series_id TYPE set(256) GRANULARITY 1;
