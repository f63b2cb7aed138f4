-- One door to raw samples and all rollup levels: metric_points(step = 5 | 60 | 300 | 600 | 3600 | 86400 | 604800).
-- Step is the width of a row in seconds; a level that is not asked for is not read. Dashboards choose the step from
-- the time range, people by hand: SELECT ... FROM metric_points(step = 60) WHERE metric = '...' AND time >= ...
CREATE OR REPLACE VIEW ${database}.metric_points ${on_cluster} AS
SELECT toDateTime(s.time, 'UTC') AS time, s.cluster AS cluster, s.site AS site, s.machine_id AS machine_id, s.node AS node, s.metric AS metric, s.series_id AS series_id, toUInt64(1) AS count, s.value AS sum, s.value AS min, s.value AS max
FROM ${database}.metric_samples AS s WHERE {step:UInt32} = 5
UNION ALL
SELECT time, cluster, site, machine_id, node, metric, series_id, count, sum, min, max FROM ${database}.metric_1m WHERE {step:UInt32} = 60
UNION ALL
SELECT time, cluster, site, machine_id, node, metric, series_id, count, sum, min, max FROM ${database}.metric_5m WHERE {step:UInt32} = 300
UNION ALL
SELECT time, cluster, site, machine_id, node, metric, series_id, count, sum, min, max FROM ${database}.metric_10m WHERE {step:UInt32} = 600
UNION ALL
SELECT time, cluster, site, machine_id, node, metric, series_id, count, sum, min, max FROM ${database}.metric_1h WHERE {step:UInt32} = 3600
UNION ALL
SELECT time, cluster, site, machine_id, node, metric, series_id, count, sum, min, max FROM ${database}.metric_1d WHERE {step:UInt32} = 86400
UNION ALL
SELECT time, cluster, site, machine_id, node, metric, series_id, count, sum, min, max FROM ${database}.metric_1w WHERE {step:UInt32} = 604800;

-- What a series is, once: metric_series may hold it several times until its parts are merged.
CREATE OR REPLACE VIEW ${database}.series ${on_cluster} AS
SELECT m.series_id AS series_id, any(m.cluster) AS cluster, any(m.site) AS site, any(m.machine_id) AS machine_id, any(m.node) AS node, m.metric AS metric, any(m.attributes) AS attributes
FROM ${database}.metric_series AS m
GROUP BY m.metric, m.series_id;
