-- What directors and name servers say of themselves (weir.vrrp.*, weir.ipvs.*, weir.dns.*), minute by minute, and the
-- silence of their agents.

-- node_silence of 0012 with agents besides edges and origins: a director or name server that is not heard of is news too.
CREATE OR REPLACE VIEW ${database}.node_silence ${on_cluster} AS
SELECT
    g.at AS time, g.cluster AS cluster, g.node AS node, g.role AS role, g.machine_id AS machine_id,
    if(toUInt32(r.reported) > 0, r.reported, if(toDateTime(g.last_seen) <= g.at, toDateTime(g.last_seen), toDateTime(g.first_seen))) AS last_report,
    dateDiff('second', last_report, max(last_report) OVER (PARTITION BY g.cluster, g.at)) AS silent_seconds,
    arrayExists(x -> g.at > x.1 AND g.at < x.2 + INTERVAL 1 MINUTE, q.spans) AS quiet
FROM
(
    SELECT n.cluster AS cluster, n.node AS node, n.role AS role, n.machine_id AS machine_id, n.first_seen AS first_seen, n.last_seen AS last_seen,
        arrayJoin(arrayMap(i -> {to:DateTime} - 60 * i, range(toUInt32(intDiv(dateDiff('second', {from:DateTime}, {to:DateTime}), 60))))) AS at
    FROM ${database}.nodes AS n
    WHERE n.role IN ('edge', 'origin', 'agent') AND n.first_seen < at AND n.last_seen > at - INTERVAL 7 DAY
) AS g
ASOF LEFT JOIN
(
    SELECT p.cluster AS cluster, p.node AS node, p.time + {step:UInt32} AS reported
    FROM ${database}.metric_points(step = {step:UInt32}) AS p
    WHERE p.metric = 'process.uptime' AND p.time >= {from:DateTime} - toIntervalSecond(if({step:UInt32} = 5, 3600, 86400)) AND p.time < {to:DateTime}
    GROUP BY cluster, node, reported
) AS r ON r.cluster = g.cluster AND r.node = g.node AND g.at >= r.reported
LEFT JOIN ${database}.node_quiet_spans AS q ON q.cluster = g.cluster AND q.node = g.node;

-- Groups of directors: how many hold the virtual address (the mean of the minute: a planned change overlaps by less than a
-- second), how many are master or backup, how many there should be, and how often the address moved.
CREATE OR REPLACE VIEW ${database}.vrrp_minutes ${on_cluster} AS
SELECT
    time, cluster, vrrp_group,
    sumIf(mean, metric = 'weir.vrrp.address.held') AS holders,
    sumIf(mean, metric = 'weir.vrrp.state' AND state = 'master') AS masters,
    sumIf(mean, metric = 'weir.vrrp.state' AND state = 'backup') AS backups,
    maxIf(mean, metric = 'weir.vrrp.directors') AS directors,
    sumIf(total, metric = 'weir.vrrp.changes' AND state = 'master') AS takeovers,
    groupUniqArrayIf(node, metric = 'weir.vrrp.address.held' AND mean >= 0.5) AS holding
FROM
(
    SELECT p.time AS time, p.cluster AS cluster, p.node AS node, p.metric AS metric, s.attributes['weir.vrrp.group'] AS vrrp_group, s.attributes['weir.vrrp.state'] AS state,
        sum(p.sum) / sum(p.count) AS mean, sum(p.sum) AS total
    FROM ${database}.metric_1m AS p
    INNER JOIN (SELECT series_id, attributes FROM ${database}.series WHERE metric IN ('weir.vrrp.address.held', 'weir.vrrp.state', 'weir.vrrp.directors', 'weir.vrrp.changes')) AS s ON s.series_id = p.series_id
    WHERE p.metric IN ('weir.vrrp.address.held', 'weir.vrrp.state', 'weir.vrrp.directors', 'weir.vrrp.changes') AND p.time >= {from:DateTime} AND p.time < {to:DateTime}
    GROUP BY time, cluster, node, metric, vrrp_group, state, p.series_id
)
GROUP BY time, cluster, vrrp_group;

-- Virtual services of each director: edges that get connections, the least of the minute and the most.
CREATE OR REPLACE VIEW ${database}.ipvs_minutes ${on_cluster} AS
SELECT p.time AS time, p.cluster AS cluster, p.node AS node, s.attributes['weir.ipvs.service'] AS service, toFloat64(min(p.min)) AS servers_min, toFloat64(max(p.max)) AS servers_max
FROM ${database}.metric_1m AS p
INNER JOIN (SELECT series_id, attributes FROM ${database}.series WHERE metric = 'weir.ipvs.servers') AS s ON s.series_id = p.series_id
WHERE p.metric = 'weir.ipvs.servers' AND p.time >= {from:DateTime} AND p.time < {to:DateTime}
GROUP BY time, cluster, node, service;

-- What name servers find and answer: a group's address counts as down by the share of name servers and of the minute that found it so.
CREATE OR REPLACE VIEW ${database}.dns_minutes ${on_cluster} AS
SELECT time, cluster, node, name, address,
    minOrNullIf(mean, metric = 'weir.dns.address.up') AS up,
    maxOrNullIf(mean, metric = 'weir.dns.answers') AS answers,
    sumIf(total, metric = 'weir.dns.answer.failures') AS failures
FROM
(
    SELECT p.time AS time, p.cluster AS cluster, p.node AS node, p.metric AS metric, s.attributes['weir.dns.name'] AS name, s.attributes['weir.dns.address'] AS address,
        sum(p.sum) / sum(p.count) AS mean, sum(p.sum) AS total
    FROM ${database}.metric_1m AS p
    INNER JOIN (SELECT series_id, attributes FROM ${database}.series WHERE metric IN ('weir.dns.address.up', 'weir.dns.answers', 'weir.dns.answer.failures')) AS s ON s.series_id = p.series_id
    WHERE p.metric IN ('weir.dns.address.up', 'weir.dns.answers', 'weir.dns.answer.failures') AND p.time >= {from:DateTime} AND p.time < {to:DateTime}
    GROUP BY time, cluster, node, metric, name, address, p.series_id
)
GROUP BY time, cluster, node, name, address;
