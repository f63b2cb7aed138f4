-- Friendly views over the raw samples, one row per 5 s. Figures of a machine (CPU, memory, cards) are reported once per
-- machine, whatever runs on it; a node shows those of its machine beside its own.
CREATE OR REPLACE VIEW ${database}.samples ${on_cluster} AS
SELECT s.time AS time, s.cluster AS cluster, s.site AS site, s.machine_id AS machine_id, s.node AS node, s.metric AS metric, d.kind AS kind, d.unit AS unit, d.attributes AS attributes, s.value AS value, s.series_id AS series_id
FROM ${database}.metric_samples AS s
INNER JOIN (SELECT series_id, kind, unit, attributes FROM ${database}.metric_series FINAL) AS d ON d.series_id = s.series_id;

CREATE OR REPLACE VIEW ${database}.machine_load ${on_cluster} AS
SELECT
    toStartOfInterval(s.time, INTERVAL 5 SECOND) AS time,
    cluster, site, machine_id,
    avgOrNullIf(value, metric = 'system.cpu.utilization' AND attributes['cpu.mode'] = 'used') AS cpu,
    avgOrNullIf(value, metric = 'system.memory.utilization' AND attributes['system.memory.state'] = 'used') AS memory,
    sumIf(value, metric = 'system.network.io' AND attributes['network.io.direction'] = 'receive') * 8 / 5 AS network_in_bits,
    sumIf(value, metric = 'system.network.io' AND attributes['network.io.direction'] = 'transmit') * 8 / 5 AS network_out_bits,
    sum(metric = 'system.memory.limit') AS samples
FROM ${database}.samples AS s
WHERE node = '' AND metric IN ('system.cpu.utilization', 'system.memory.utilization', 'system.network.io', 'system.memory.limit')
GROUP BY time, cluster, site, machine_id;

CREATE OR REPLACE VIEW ${database}.node_media_load ${on_cluster} AS
SELECT
    toStartOfInterval(s.time, INTERVAL 5 SECOND) AS time,
    cluster, site, machine_id, node,
    sumIf(value, metric = 'process.cpu.time') / 5 AS process_cpu,
    avgOrNullIf(value, metric = 'process.memory.usage') AS process_memory,
    toUInt64(round(sumIf(value, metric = 'live.connections' AND attributes['role'] = 'publisher') / n)) AS publishers,
    toUInt64(round(sumIf(value, metric = 'live.connections' AND attributes['role'] = 'viewer') / n)) AS viewers,
    toUInt64(round(sumIf(value, metric = 'live.connections' AND attributes['role'] = 'relay') / n)) AS relays,
    toUInt64(round(sumIf(value, metric = 'live.streams') / n)) AS streams,
    sumIf(value, metric = 'live.io' AND attributes['network.io.direction'] = 'receive') * 8 / 5 AS media_in_bits,
    sumIf(value, metric = 'live.io' AND attributes['network.io.direction'] = 'transmit') * 8 / 5 AS media_out_bits,
    greatest(countIf(metric = 'process.uptime'), 1) AS n
FROM ${database}.samples AS s
WHERE node != '' AND metric IN ('process.cpu.time', 'process.memory.usage', 'process.uptime', 'live.connections', 'live.streams', 'live.io')
GROUP BY time, cluster, site, machine_id, node;

-- One row per node and 5 s: its machine's load beside its own.
CREATE OR REPLACE VIEW ${database}.node_load ${on_cluster} AS
SELECT
    l.time AS time, l.cluster AS cluster, l.site AS site, l.machine_id AS machine_id, l.node AS node, n.role AS role,
    m.cpu AS cpu, m.memory AS memory, m.network_in_bits AS network_in_bits, m.network_out_bits AS network_out_bits,
    l.process_cpu AS process_cpu, l.process_memory AS process_memory,
    l.publishers AS publishers, l.viewers AS viewers, l.relays AS relays, l.streams AS streams,
    l.media_in_bits AS media_in_bits, l.media_out_bits AS media_out_bits
FROM ${database}.node_media_load AS l
LEFT JOIN ${database}.machine_load AS m ON m.time = l.time AND m.cluster = l.cluster AND m.machine_id = l.machine_id
LEFT JOIN ${database}.nodes AS n ON n.cluster = l.cluster AND n.node = l.node;

-- The whole cluster, one row per 5 s: each machine's traffic counted once, however many nodes run on it.
-- A report is one machine or one node heard in the 5 s; due are all that had been heard before.
CREATE OR REPLACE VIEW ${database}.cluster_load ${on_cluster} AS
SELECT
    n.time AS time, n.cluster AS cluster,
    m.machines AS machines,
    greatest(arrayCount(x -> x < n.time, km.first_seen), m.machines) AS machines_known,
    machines_known - machines AS machines_silent,
    n.nodes AS nodes,
    greatest(arrayCount(x -> x < n.time, kn.first_seen), n.nodes) AS nodes_known,
    nodes_known - nodes AS nodes_silent,
    machines + nodes AS reports,
    machines_known + nodes_known AS reports_due,
    m.cpu_mean AS cpu_mean, m.cpu_max AS cpu_max, m.memory_mean AS memory_mean, m.memory_max AS memory_max,
    m.network_in_bits AS network_in_bits, m.network_out_bits AS network_out_bits,
    n.publishers + n.viewers AS connections,
    n.publishers AS publishers, n.viewers AS viewers, n.relays AS relays, n.streams AS streams
FROM
(
    SELECT time, cluster, count() AS nodes, sum(publishers) AS publishers, sum(viewers) AS viewers, sum(relays) AS relays, sum(streams) AS streams
    FROM ${database}.node_media_load
    GROUP BY time, cluster
) AS n
LEFT JOIN
(
    SELECT time, cluster, count() AS machines, avg(cpu) AS cpu_mean, max(cpu) AS cpu_max, avg(memory) AS memory_mean, max(memory) AS memory_max,
        sum(network_in_bits) AS network_in_bits, sum(network_out_bits) AS network_out_bits
    FROM ${database}.machine_load
    GROUP BY time, cluster
) AS m ON m.time = n.time AND m.cluster = n.cluster
LEFT JOIN (SELECT cluster, groupArray(first_seen) AS first_seen FROM ${database}.machines GROUP BY cluster) AS km ON km.cluster = n.cluster
LEFT JOIN (SELECT cluster, groupArray(first_seen) AS first_seen FROM ${database}.nodes GROUP BY cluster) AS kn ON kn.cluster = n.cluster;

-- Viewers of each stream on each node and its incoming bitrate; sum over nodes for the cluster (relays are not viewers).
CREATE OR REPLACE VIEW ${database}.stream_viewers ${on_cluster} AS
SELECT
    toStartOfInterval(s.time, INTERVAL 5 SECOND) AS time,
    cluster, site, machine_id, node,
    attributes['app'] AS app, attributes['stream'] AS stream,
    maxIf(value, metric = 'live.stream.viewers') AS viewers,
    avgOrNullIf(value, metric = 'live.stream.bitrate') AS bitrate_bits
FROM ${database}.samples AS s
WHERE metric IN ('live.stream.viewers', 'live.stream.bitrate')
GROUP BY time, cluster, site, machine_id, node, app, stream;
