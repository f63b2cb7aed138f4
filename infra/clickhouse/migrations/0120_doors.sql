-- The doors to all rollup levels, made cheap: they find the one table that is asked for by its name instead of uniting all
-- seven and leaving six out, which cost every query of every dashboard more than the rows it read. Same columns as before.

-- Raw samples by the names of the rollups, computed and not stored: not in SELECT *, and no insert has them.
ALTER TABLE ${database}.metric_samples ${on_cluster} ADD COLUMN IF NOT EXISTS count UInt64 ALIAS toUInt64(1), ADD COLUMN IF NOT EXISTS sum Float64 ALIAS value, ADD COLUMN IF NOT EXISTS min Float64 ALIAS value, ADD COLUMN IF NOT EXISTS max Float64 ALIAS value;

-- metric_points(step = 5 | 60 | 300 | 600 | 3600 | 86400 | 604800) as in 0010. Another step has no table and says so.
CREATE OR REPLACE VIEW ${database}.metric_points ${on_cluster} AS
SELECT
    toDateTime(m.time, 'UTC') AS time, m.cluster AS cluster, m.site AS site, m.machine_id AS machine_id, m.node AS node, m.metric AS metric, m.series_id AS series_id,
    toUInt64(m.count) AS count, toFloat64(m.sum) AS sum, toFloat64(m.min) AS min, toFloat64(m.max) AS max
FROM merge(${database}, multiIf({step:UInt32} = 5, '^metric_samples$', {step:UInt32} = 60, '^metric_1m$', {step:UInt32} = 300, '^metric_5m$', {step:UInt32} = 600, '^metric_10m$', {step:UInt32} = 3600, '^metric_1h$', {step:UInt32} = 86400, '^metric_1d$', {step:UInt32} = 604800, '^metric_1w$', '^no such step$')) AS m;

-- viewer_points(step = 60 | 3600 | 86400 | 604800) as in 0101.
CREATE OR REPLACE VIEW ${database}.viewer_points ${on_cluster} AS
SELECT
    v.time AS time, v.cluster AS cluster, v.app AS app, v.stream AS stream, v.node AS node, v.sessions AS sessions, v.stalled_sessions AS stalled_sessions,
    v.starts AS starts, v.start_ms AS start_ms, v.stalls AS stalls, v.stall_ms AS stall_ms, v.watched_ms AS watched_ms, v.delays AS delays, v.delay_ms AS delay_ms, v.reconnects AS reconnects
FROM merge(${database}, multiIf({step:UInt32} = 60, '^viewer_1m$', {step:UInt32} = 3600, '^viewer_1h$', {step:UInt32} = 86400, '^viewer_1d$', {step:UInt32} = 604800, '^viewer_1w$', '^no such step$')) AS v;
