-- Which nodes belong to a cluster and since when: from being expected (`weir nodes expect`) or first heard of, until retired
-- (`weir nodes retire`); a retired node that serves or is expected again begins a new interval. Made of marks and first
-- sights only, which are never changed, so what was due at a past moment stays what it was.
CREATE OR REPLACE VIEW ${database}.node_memberships ${on_cluster} AS
SELECT cluster, node, time AS since, until, until > now64(3) AS is_member
FROM
(
    SELECT cluster, node, time, is_in,
        leadInFrame(time, 1, toDateTime64('2200-01-01 00:00:00', 3, 'UTC')) OVER (PARTITION BY cluster, node ORDER BY time, is_in ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS until
    FROM
    (
        SELECT cluster, node, time, is_in,
            lagInFrame(is_in, 1, 0) OVER (PARTITION BY cluster, node ORDER BY time, is_in ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS was_in
        FROM
        (
            SELECT n.cluster AS cluster, n.node AS node, n.first_seen AS time, 1 AS is_in FROM ${database}.nodes AS n
            UNION ALL
            SELECT m.cluster AS cluster, m.node AS node, m.time AS time, toUInt8(m.mark != 'retired') AS is_in
            FROM ${database}.node_marks AS m WHERE m.mark IN ('expected', 'serving', 'retired')
        )
    )
    WHERE is_in != was_in
)
WHERE is_in = 1;

-- The whole cluster, one row per 5 s: each machine's traffic counted once, however many nodes run on it. Due are the members
-- of that moment and their machines (a node nobody heard of yet counts as one machine); others' OTLP is no part of it.
CREATE OR REPLACE VIEW ${database}.cluster_load ${on_cluster} AS
SELECT
    n.time AS time, n.cluster AS cluster,
    m.machines AS machines,
    greatest(length(arrayDistinct(arrayMap(x -> x.1, arrayFilter(x -> x.2 < n.time AND x.3 > n.time, k.members)))), m.machines) AS machines_known,
    machines_known - machines AS machines_silent,
    n.nodes AS nodes,
    greatest(arrayCount(x -> x.2 < n.time AND x.3 > n.time, k.members), n.nodes) AS nodes_known,
    nodes_known - nodes AS nodes_silent,
    machines + nodes AS reports,
    machines_known + nodes_known AS reports_due,
    m.cpu_mean AS cpu_mean, m.cpu_max AS cpu_max, m.memory_mean AS memory_mean, m.memory_max AS memory_max,
    m.network_in_bits AS network_in_bits, m.network_out_bits AS network_out_bits,
    n.publishers + n.viewers AS connections,
    n.publishers AS publishers, n.viewers AS viewers, n.relays AS relays, n.streams AS streams
FROM
(
    SELECT l.time AS time, l.cluster AS cluster, count() AS nodes, sum(l.publishers) AS publishers, sum(l.viewers) AS viewers, sum(l.relays) AS relays, sum(l.streams) AS streams
    FROM ${database}.node_media_load AS l
    WHERE NOT startsWith(l.node, 'otlp-')
    GROUP BY time, cluster
) AS n
LEFT JOIN
(
    SELECT time, cluster, count() AS machines, avg(cpu) AS cpu_mean, max(cpu) AS cpu_max, avg(memory) AS memory_mean, max(memory) AS memory_max,
        sum(network_in_bits) AS network_in_bits, sum(network_out_bits) AS network_out_bits
    FROM ${database}.machine_load
    GROUP BY time, cluster
) AS m ON m.time = n.time AND m.cluster = n.cluster
LEFT JOIN
(
    SELECT s.cluster AS cluster, groupArray((if(d.machine_id = '', concat('node ', s.node), d.machine_id), s.since, s.until)) AS members
    FROM ${database}.node_memberships AS s
    LEFT JOIN ${database}.nodes AS d ON d.cluster = s.cluster AND d.node = s.node
    GROUP BY cluster
) AS k ON k.cluster = n.cluster;
