-- Raw samples in fewer bytes: blocks of 4 MiB, in which ZSTD finds a figure's digits again among hundreds of series, and a
-- level that writes as fast there as the former one in small blocks (README.md beside this folder has bytes and times).
-- Names repeat for thousands of rows, theirs come down to almost nothing. A look at few rows unpacks up to 4 MiB of a column.
-- Metadata only: parts that are there stay readable and are rewritten when they are merged.
ALTER TABLE ${database}.metric_samples ${on_cluster}
    MODIFY COLUMN value Float64 CODEC(ZSTD(12)),
    MODIFY COLUMN time DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(3)),
    MODIFY COLUMN cluster LowCardinality(String) CODEC(ZSTD(3)),
    MODIFY COLUMN site LowCardinality(String) CODEC(ZSTD(3)),
    MODIFY COLUMN machine_id LowCardinality(String) CODEC(ZSTD(3)),
    MODIFY COLUMN node LowCardinality(String) CODEC(ZSTD(3)),
    MODIFY COLUMN metric LowCardinality(String) CODEC(ZSTD(3));
ALTER TABLE ${database}.metric_samples ${on_cluster} MODIFY SETTING min_compress_block_size = 4194304, max_compress_block_size = 4194304;

-- Which series a stretch of raw rows holds, as a Bloom filter instead of the list of 0081, in a quarter of its bytes: one
-- stretch in a thousand is read in vain. The rollups keep the list.
ALTER TABLE ${database}.metric_samples ${on_cluster} DROP INDEX IF EXISTS series_of;
ALTER TABLE ${database}.metric_samples ${on_cluster} ADD INDEX IF NOT EXISTS series_bloom series_id TYPE bloom_filter(0.001) GRANULARITY 1;
